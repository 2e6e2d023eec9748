//! Escalation policies.

use std::{io::Read as _, path::PathBuf};

use http::Method;
use serde_json::json;
use tocsin_protocol::{
    Policy,
    escalation::{DryRun, PolicySettings, Timeline, TimelineWarning},
};

use crate::{
    args::escalation::Policy as Args,
    context::{Context, name},
    exit::{Exit, Failure},
    link::Link,
    output::{note, one_line, print_json, print_line, table, time},
};

/// Longest policy read, bytes: the most steps with the most people are far below it.
const BYTES: u64 = 256 * 1024;

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let link = context.link().await?;
    match args {
        Args::List => list(context, &link).await?,
        Args::Show { name } => print_json(&settings(&find(&link, &name).await?))?,
        Args::Set { name, file } => {
            let policy: Policy = link.send(Method::PUT, &path(&name)?, &read(file)?).await?;
            context.out.show(&policy, || context.say("changed", &[("name", &name)]))?;
        }
        Args::Remove { name } => {
            link.tell(Method::DELETE, &path(&name)?).await?;
            context.out.show(&json!({ "removed": name }), || context.say("removed", &[("name", &name)]))?;
        }
        Args::DryRun { file, topic, priority } => {
            let order =
                DryRun { policy: read(file)?, topic, priority: priority.unwrap_or_default(), at: None };
            let timeline: Timeline = link.send(Method::POST, "/v1/policies/dry-run", &order).await?;
            show(context, &timeline)?;
        }
    }
    Ok(Exit::Ok)
}

fn path(policy: &str) -> Result<String, Failure> {
    Ok(format!("/v1/policies/{}", name("policy", policy)?))
}

async fn find(link: &Link, wanted: &str) -> Result<Policy, Failure> {
    let policies: Vec<Policy> = link.get("/v1/policies").await?;
    let found = policies.into_iter().find(|policy| policy.name == wanted);
    found.ok_or_else(|| {
        Failure::failed(format!("no policy named {wanted:?}")).hint("`tocsin policy list` shows them")
    })
}

/// What `set` takes: it can be edited and given back.
fn settings(policy: &Policy) -> PolicySettings {
    PolicySettings {
        display_name: Some(policy.display_name.clone()),
        steps: policy.steps.clone(),
        quiet: policy.quiet.clone(),
    }
}

fn read(file: Option<PathBuf>) -> Result<PolicySettings, Failure> {
    let mut text = String::new();
    let named = file.filter(|file| file.as_os_str() != "-");
    let read = match &named {
        Some(file) => std::fs::File::open(file).and_then(|open| open.take(BYTES).read_to_string(&mut text)),
        None => std::io::stdin().lock().take(BYTES).read_to_string(&mut text),
    };
    let whose = named.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
    read.map_err(|error| Failure::usage(format!("cannot read {whose}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{whose} is no policy: {error}"))
            .hint("`tocsin policy set --help` shows one; `tocsin policy show NAME` prints one that exists")
    })
}

async fn list(context: &Context, link: &Link) -> Result<(), Failure> {
    let policies: Vec<Policy> = link.get("/v1/policies").await?;
    context.out.table(&policies, &["POLICY", "STEPS", "TOPICS", "NAME"], |policy| {
        vec![
            policy.name.clone(),
            policy.steps.len().to_string(),
            policy.topics.join(", "),
            one_line(&policy.display_name),
        ]
    })?;
    context.say_if_none(&policies, "none_policies");
    Ok(())
}

fn show(context: &Context, timeline: &Timeline) -> Result<(), Failure> {
    if context.out.json {
        return print_json(timeline);
    }
    let rows: Vec<Vec<String>> = timeline
        .steps
        .iter()
        .map(|step| {
            let number = format!("{}.{}", step.step, step.repeat);
            vec![
                time(step.at),
                number,
                step.unless.name().into(),
                step.people.join(", "),
                step.via.join(", "),
                if step.put_off { context.say("policy_put_off", &[]) } else { String::new() },
            ]
        })
        .collect();
    print_line(&table(&["AT", "STEP", "UNLESS", "TELLS", "VIA", "NOTE"], &rows))?;
    for warning in &timeline.warnings {
        note(&format!("tocsin: {}", sentence(context, warning)));
    }
    Ok(())
}

fn sentence(context: &Context, warning: &TimelineWarning) -> String {
    match warning {
        TimelineWarning::NoAddress { user, channel } => {
            context.say("policy_no_address", &[("user", user), ("channel", channel)])
        }
        TimelineWarning::ChannelOff { channel } => context.say("policy_channel_off", &[("channel", channel)]),
        TimelineWarning::NoTopic => context.say("policy_no_topic", &[]),
        TimelineWarning::Nobody { step } => context.say("policy_nobody", &[("step", &step.to_string())]),
    }
}
