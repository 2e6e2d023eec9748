//! Topics and their members.

use http::Method;
use serde_json::json;
use tocsin_protocol::{NewTopic, Topic, User, account::TopicChange};

use crate::{
    args::admin::Topic as Args,
    context::{Context, name},
    exit::{Exit, Failure},
    link::Link,
    output::{one_line, time},
};

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let link = context.link().await?;
    match args {
        Args::List => list(context, &link).await?,
        Args::Add { name, description, retention_days, members } => {
            let new = NewTopic { name, description, retention_days, members };
            let topic: Topic = link.send(Method::POST, "/v1/topics", &new).await.map_err(|failure| {
                failure.or_hint("`tocsin topic list` shows the topics; `tocsin topic change` changes them")
            })?;
            context.out.show(&topic, || members_now(context, "topic_added", &topic.name, topic.members))?;
        }
        Args::Change { name, description, retention_days, policy, expect_every } => {
            let expect_every_s = expect_every.map(|span| span.as_secs());
            let change = TopicChange { description, retention_days, policy, expect_every_s };
            if change == TopicChange::default() {
                return Err(Failure::usage("there is nothing to change").hint(
                    "give --description, --retention-days, --policy or --expect-every; members have add-member and remove-member",
                ));
            }
            let topic: Topic = link.send(Method::PATCH, &path(&name)?, &change).await?;
            context.out.show(&topic, || context.say("changed", &[("name", &topic.name)]))?;
        }
        Args::Remove { name } => {
            link.tell(Method::DELETE, &path(&name)?).await?;
            let text = context.say("removed", &[("name", &name)]);
            context.out.show(&json!({ "removed": name }), || text)?;
        }
        Args::Members { name } => members(context, &link, &name).await?,
        Args::AddMember { name, users } => membership(context, &link, Method::PUT, &name, &users).await?,
        Args::RemoveMember { name, users } => {
            membership(context, &link, Method::DELETE, &name, &users).await?;
        }
    }
    Ok(Exit::Ok)
}

fn path(topic: &str) -> Result<String, Failure> {
    Ok(format!("/v1/topics/{}", name("topic", topic)?))
}

async fn list(context: &Context, link: &Link) -> Result<(), Failure> {
    let topics: Vec<Topic> = link.get("/v1/topics").await?;
    context.out.table(
        &topics,
        &["TOPIC", "MEMBERS", "KEPT", "POLICY", "EXPECTED", "DESCRIPTION"],
        |topic| {
            let kept = topic.retention_days.map(|days| format!("{days}d")).unwrap_or_default();
            let every = topic.expect_every_s.map(|every| format!("{every}s")).unwrap_or_default();
            let expected = match topic.silent_since {
                Some(since) => context.say("silent_since", &[("time", &time(since))]),
                None => every,
            };
            let policy = topic.policy.clone().unwrap_or_default();
            vec![
                topic.name.clone(),
                topic.members.to_string(),
                kept,
                policy,
                expected,
                one_line(&topic.description),
            ]
        },
    )?;
    context.say_if_none(&topics, "none_topics");
    Ok(())
}

async fn members(context: &Context, link: &Link, topic: &str) -> Result<(), Failure> {
    let users: Vec<User> = link.get(&format!("{}/members", path(topic)?)).await?;
    super::user::table(context, &users)?;
    context.say_if_none(&users, "none_members");
    Ok(())
}

/// One call for each person: those before a mistake stay done, and repeating the command is harmless.
async fn membership(
    context: &Context,
    link: &Link,
    method: Method,
    topic: &str,
    users: &[String],
) -> Result<(), Failure> {
    for user in users {
        let path = format!("{}/members/{}", path(topic)?, name("user", user)?);
        link.tell(method.clone(), &path).await?;
    }
    if context.out.json {
        return members(context, link, topic).await;
    }
    let users: Vec<User> = link.get(&format!("{}/members", path(topic)?)).await?;
    crate::output::print_line(&members_now(context, "members_now", topic, users.len() as u64))
}

fn members_now(context: &Context, key: &str, topic: &str, count: u64) -> String {
    context.say(key, &[("name", topic), ("count", &count.to_string())])
}
