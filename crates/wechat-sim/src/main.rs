//! `wechat-sim`: the simulator by itself, for trying by hand.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser;
use tocsin_wechat_sim::{Clock, Options, Simulator, World, seed};

/// A local stand-in for the WeChat platforms, for trying by hand and for tests. It never talks to the real ones.
///
/// Official account (api.weixin.qq.com) and WeCom (qyapi.weixin.qq.com: apps and group robots) each get a port on
/// 127.0.0.1, with accounts that are ready to use; their simulated credentials are printed at the start.
#[derive(Parser)]
#[command(name = "wechat-sim", version, after_long_help = EXAMPLES)]
struct Arguments {
    /// Port of the official-account host; 0 takes any
    #[arg(long, default_value_t = 8701)]
    oa_port: u16,
    /// Port of the WeCom host; 0 takes any
    #[arg(long, default_value_t = 8702)]
    wecom_port: u16,
    /// Of everything random: one seed, one set of credentials and tokens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The clock stands still and is moved with POST /sim/clock
    #[arg(long)]
    frozen: bool,
    /// Print the accounts as JSON instead of text
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = r#"Examples (either port takes /sim/…):

  See what the phones show, and press buttons, in a browser:
    http://127.0.0.1:8702/sim/
  The same as JSON; with what the platform dropped without a word:
    curl 127.0.0.1:8702/sim/inbox
    curl '127.0.0.1:8702/sim/inbox?all=1'
  Send as a group robot (the key is printed at the start):
    curl '127.0.0.1:8702/cgi-bin/webhook/send?key=KEY' -d '{"msgtype":"text","text":{"content":"hi"}}'
  Press a card's button on somebody's phone; follow, leave, scan, write:
    curl 127.0.0.1:8702/sim/press -d '{"item":1,"key":"ack"}'
    curl 127.0.0.1:8701/sim/follow -d '{"openid":"oNewPerson"}'
    curl 127.0.0.1:8701/sim/scan -d '{"openid":"oNewPerson","code":"TICKET or scene"}'
    curl 127.0.0.1:8701/sim/say -d '{"openid":"oNewPerson","text":"hello"}'
  Make things go wrong, and right again:
    curl 127.0.0.1:8702/sim/faults -d '{"fault":"errcode","code":45009,"path":"message/send","times":3}'
    curl 127.0.0.1:8702/sim/faults -d '{"fault":"timeout","path":"message/send","times":1}'
    curl -X DELETE 127.0.0.1:8702/sim/faults
    Kinds: errcode http timeout reset half-body drip slow malformed errcode-string no-errcode control-chars
    huge-body empty-body token-expire token-stolen same-token invalid-user unlicensed-user. Narrow them with
    host, path, recipient, times, probability, until_ms; "stage":"after" fails after the message was taken.
  Tokens: all expire; another program refreshes:
    curl -X POST 127.0.0.1:8702/sim/tokens/expire
    curl -X POST 127.0.0.1:8702/sim/tokens/steal
  Time:
    curl 127.0.0.1:8702/sim/clock -d '{"mode":"frozen"}'
    curl 127.0.0.1:8702/sim/clock -d '{"advance_s":3600}'
  Trusted addresses, limits and everything else that is a switch:
    curl 127.0.0.1:8702/sim/config
    curl -X PATCH 127.0.0.1:8702/sim/config -d '{"wecom_allow_list":["203.0.113.7"],"seen_ip":"198.51.100.9"}'
  Callbacks: save an address (it is asked first, as the console does), forge one, send one again:
    curl 127.0.0.1:8702/sim/callback/wecom -d '{"url":"http://127.0.0.1:8080/cb","token":"T","encoding_aes_key":"43…"}'
    curl 127.0.0.1:8702/sim/callback/push -d '{"account":"wecom","event":{"Event":"x"},"bend":{"forged":true}}'
    curl 127.0.0.1:8702/sim/callback/replay -d '{"id":1}'
    curl 127.0.0.1:8702/sim/callbacks
  What was asked and counted; does a log hold a secret; start over:
    curl 127.0.0.1:8702/sim/journal ; curl 127.0.0.1:8702/sim/stats
    curl 127.0.0.1:8702/sim/leaks -d '{"text":"…"}' ; curl -X POST 127.0.0.1:8702/sim/reset"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let clock = Clock::running();
    if arguments.frozen {
        clock.freeze();
    }
    let options = Options {
        oa_port: arguments.oa_port,
        wecom_port: arguments.wecom_port,
        seed: arguments.seed,
        clock,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await?;
    let said = if arguments.json { as_json(&simulator) } else { as_text(&simulator) };
    let mut out = std::io::stdout().lock();
    out.write_all(said.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")?;
    drop(out);
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    simulator.stop().await;
    Ok(())
}

fn as_json(simulator: &Simulator) -> String {
    let accounts = simulator.accounts();
    let whole = serde_json::json!({"oa_url": simulator.oa_url(), "wecom_url": simulator.wecom_url(), "accounts": accounts});
    format!("{whole}\n")
}

fn as_text(simulator: &Simulator) -> String {
    simulator.world(|world| {
        [
            "WeChat simulator; nothing here is real.\n".to_owned(),
            oa_text(world, &simulator.oa_url()),
            wecom_text(world, &simulator.wecom_url()),
            robot_text(world, &simulator.wecom_url()),
            try_text(world, &simulator.wecom_url()),
        ]
        .concat()
    })
}

fn oa_text(world: &World, url: &str) -> String {
    let Some(account) = world.account() else { return String::new() };
    let followers: Vec<String> =
        account.followers.values().map(|one| format!("    {}  {}", one.openid, one.remark)).collect();
    let (appid, secret, templates) =
        (&account.appid, &account.secret, [seed::ALERT_TEMPLATE, seed::FREE_TEMPLATE]);
    format!(
        "\nOfficial account\n  base URL   {url}\n  appid      {appid}\n  secret     {secret}\n  templates  {}\n  followers\n{}\n",
        templates.join("\n             "),
        followers.join("\n"),
    )
}

fn wecom_text(world: &World, url: &str) -> String {
    let (Some(corp), Some(app)) = (world.corp(), world.app()) else { return String::new() };
    let members: Vec<String> =
        corp.members.values().map(|one| format!("    {}  {}", one.userid, one.name)).collect();
    format!(
        "\nWeCom app\n  base URL   {url}\n  corpid     {}\n  agentid    {}\n  secret     {}\n  contacts   {}\n  members\n{}\n",
        corp.corpid,
        app.agentid,
        app.secret,
        corp.contact_secret,
        members.join("\n"),
    )
}

/// Lines to copy: one without Tocsin, and a channel of a Tocsin that is running.
fn try_text(world: &World, url: &str) -> String {
    let (Some(corp), Some(app), Some(robot)) = (world.corp(), world.app(), world.robot()) else {
        return String::new();
    };
    let (corpid, agentid) = (&corp.corpid, app.agentid);
    format!(
        "\nTry it (stop with Ctrl-C)\n  \
         What the phones show: {url}/sim/\n  \
         A message into the robot's group:\n    \
         curl '{url}/cgi-bin/webhook/send?key={}' -d '{{\"msgtype\":\"text\",\"text\":{{\"content\":\"hello\"}}}}'\n  \
         A channel of Tocsin, with the WeCom app's secret from above on its standard input:\n    \
         tocsin channel add sim --kind wecom --set corp_id={corpid} --set agent_id={agentid} --set base_url={url} --set proxy=none\n    \
         echo {} | tocsin channel secret sim secret && tocsin channel test sim\n  \
         Faults, presses, time and callbacks: wechat-sim --help\n",
        robot.key, app.secret,
    )
}

fn robot_text(world: &World, url: &str) -> String {
    let robots: Vec<String> = world
        .robots
        .values()
        .map(|robot| format!("  {url}/cgi-bin/webhook/send?key={}  {}", robot.key, robot.group))
        .collect();
    format!("\nGroup robots\n{}\n", robots.join("\n"))
}
