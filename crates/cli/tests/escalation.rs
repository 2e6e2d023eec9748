//! Who has a message, and what goes on until somebody answers: the commands for it, beside a real server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Done, Home, Person, Server, wait_for};
use tocsin_control::{Client, Paths};

/// After two minutes whoever is missing, after five one person after the other.
const NIGHT: &str = r#"{"steps": [
  {"after_s": 120, "unless": "acknowledged_by_any", "notify": {"who": "missing"}, "via": ["desktop"]},
  {"after_s": 300, "unless": "acknowledged_by_any", "notify": {"who": "next", "people": ["anna", "bo"]},
   "via": ["desktop"], "repeat": 3, "every_s": 60}]}"#;

/// A server, and two people on call.
fn office() -> (Home, Server, Person, Person) {
    let home = Home::new();
    let server = home.serve(&[]);
    let people = [("anna", "Anna Li"), ("bo", "Bo Chen")];
    let [anna, bo] = people.map(|(name, display_name)| Person::new(&home, &server, name, display_name));
    home.run(&["topic", "add", "ops", "--member", "anna,bo"]).ok();
    (home, server, anna, bo)
}

/// The row of a table that begins with this word.
#[track_caller]
fn row<'a>(table: &'a str, first: &str) -> &'a str {
    let found = table.lines().find(|line| line.split_whitespace().next() == Some(first));
    found.unwrap_or_else(|| panic!("no row of {first} in {table}"))
}

fn send(home: &Home, args: &[&str]) -> String {
    home.run(&[&["send"], args].concat()).ok().line().to_owned()
}

/// When this person was last told again; nothing: never.
fn reminded(home: &Home, id: &str, user: &str) -> Option<i64> {
    let receipt = home.json(&["receipt", id]);
    let person = receipt["people"].as_array().unwrap().iter().find(|person| person["user"] == user);
    person.unwrap()["reminded_at"].as_i64()
}

#[test]
fn one_acknowledgement_ends_a_wait_for_anybody() {
    let (home, _server, anna, bo) = office();
    let args = ["send", "ops", "disk full", "--wait", "acknowledged", "--any", "--timeout", "30s"];
    let mut waits = home.start(&args);
    let id = anna.finds("disk full");
    bo.press("read", &id);
    assert!(waits.child.try_wait().unwrap().is_none(), "read is not acknowledged");
    anna.press("acknowledge", &id);
    let Done { out, err, .. } = waits.end().ok();
    assert_eq!(out.lines().next().unwrap(), id, "the id comes first: {out}");
    assert!(row(&out, "anna").contains("Anna Li  acknowledged"), "{out}");
    assert!(row(&out, "bo").contains("Bo Chen  read"), "{out}");
    assert!(out.contains("1 acknowledged") && out.contains("Not acknowledged: bo\n"), "{out}");
    assert!(!out.contains("Not received"), "{out}");
    assert!(err.contains("Anna Li: acknowledged"), "it is told as it happens: {err}");
}

#[test]
fn without_any_everybody_who_is_still_owed_it_has_to() {
    let (home, _server, anna, bo) = office();
    let all = ["--wait", "acknowledged", "--timeout", "30s"];
    let waits = home.start(&[&["send", "ops", "one", "--json"], &all[..]].concat());
    let id = anna.finds("one");
    anna.press("acknowledge", &id);
    bo.press("acknowledge", &id);
    let sent = waits.end().ok().json();
    assert_eq!((&sent["id"], &sent["audience"]), (&json!(id), &json!(2)));
    assert!(sent["idempotency_key"].is_string(), "{sent}");
    let receipt = &sent["receipt"];
    assert_eq!((&receipt["counts"]["acknowledged"], &receipt["unacknowledged"]), (&json!(2), &json!([])));

    // Who leaves is waited for no more, and not blamed.
    let waits = home.start(&[&["send", "ops", "two"], &all[..]].concat());
    anna.press("acknowledge", &anna.finds("two"));
    home.run(&["topic", "remove-member", "ops", "bo"]).ok();
    let Done { out, .. } = waits.end().ok();
    assert!(row(&out, "bo").contains("withdrawn"), "{out}");
    assert!(!out.contains("Not acknowledged"), "nobody who could have: {out}");
}

#[test]
fn a_wait_that_takes_too_long_is_5() {
    let (home, _server, anna, _bo) = office();
    let late = home.run(&["send", "ops", "x", "--wait", "acknowledged", "--timeout", "1s"]).code(5);
    assert!(late.err.contains("time is over"), "{}", late.err);
    assert!(late.out.contains("Not received: anna, bo\n"), "{}", late.out);
    let id = late.out.lines().next().unwrap();
    anna.press("read", id);
    let late = home.run(&["receipt", id, "--wait", "acknowledged", "--timeout", "1s", "--json"]).code(5);
    assert_eq!(late.json()["missing"], json!(["bo"]), "{}", late.out);
    // One person is as far as this is asked for, everybody is not.
    home.run(&["receipt", id, "--wait", "read", "--any", "--timeout", "1s"]).ok();
    home.run(&["receipt", id, "--wait", "read", "--timeout", "1s"]).code(5);
}

#[test]
fn who_sees_their_own_row_alone_is_told_so_and_waits_for_nobody() {
    let (home, _server, anna, bo) = office();
    let id = home.run(&anna.say(&["send", "ops", "by anna"])).ok().line().to_owned();
    bo.press("read", &id);
    let own = home.run(&bo.say(&["receipt", &id])).ok();
    assert!(row(&own.out, "bo").contains("Bo Chen  read"), "{}", own.out);
    assert!(own.out.contains("Only your own row") && !own.out.contains("1 people"), "{}", own.out);
    for wait in [&["--wait", "read"][..], &["--wait", "received", "--any"], &["--wait", "acknowledged"]] {
        let refused = home.run(&bo.say(&[&["receipt", &id, "--timeout", "1s"], wait].concat())).code(4);
        assert!(refused.err.contains("only its sender and administrators"), "{wait:?}: {}", refused.err);
        assert_eq!(refused.out, "", "{wait:?}");
    }
    let json: Value = home.run(&bo.say(&["receipt", &id, "--json"])).ok().json();
    assert_eq!((&json["whole"], &json["people"][0]["user"]), (&json!(false), &json!("bo")));

    // Its sender may, and is told of everybody.
    home.run(&anna.say(&["receipt", &id, "--wait", "acknowledged", "--timeout", "1s"])).code(5);
    let all = home.run(&anna.say(&["receipt", &id, "--wait", "read", "--any", "--timeout", "30s"])).ok();
    assert!(all.out.contains("2 people: ") && !all.out.contains("own row"), "{}", all.out);
}

#[test]
fn what_can_never_be_reached_is_1_and_not_waited_for() {
    let (home, _server, anna, _bo) = office();
    home.run(&["topic", "add", "empty"]).ok();
    // Were it waited for, the end would be 5.
    let wait = ["--wait", "acknowledged", "--timeout", "30s", "--json"];
    let replace = ["send", "ops", "a newer version", "--key", "db-1"];
    let remove = ["topic", "remove-member", "ops", "anna", "bo"];
    for (message, meanwhile, state) in [
        (&["send", "ops", "replaced", "--key", "db-1"][..], Some(&replace[..]), "superseded"),
        (&["send", "ops", "too late", "--expires", "1s"], None, "expired"),
        (&["send", "ops", "left", "--key", "db-2"], Some(&remove), "withdrawn"),
    ] {
        let waits = home.start(&[message, &wait[..]].concat());
        let id = anna.finds(message[2]);
        if let Some(meanwhile) = meanwhile {
            home.run(meanwhile).ok();
        }
        let never = waits.end().code(1);
        assert!(never.err.contains("this cannot come about any more"), "{}", never.err);
        assert_eq!(never.json()["id"], json!(id));
        let receipt = &never.json()["receipt"];
        let people = receipt["people"].as_array().unwrap();
        assert!(people.len() == 2 && people.iter().all(|person| person["state"] == state), "{receipt:#}");
        // The same for who looks afterwards, also for people.
        let again = home.run(&["receipt", &id, "--wait", "received", "--any", "--timeout", "30s"]).code(1);
        assert!(row(&again.out, "anna").contains("Anna Li"), "{}", again.out);
    }
    let nobody = home.run(&[&["send", "empty", "hello"], &wait[..]].concat()).code(1);
    assert_eq!(nobody.json()["receipt"]["people"], json!([]));
}

#[test]
fn receipts_are_listed_by_what_lacks() {
    let (home, _server, anna, bo) = office();
    home.run(&["topic", "add", "db", "--member", "bo"]).ok();
    let quiet = send(&home, &["ops", "x", "--title", "nobody has it"]);
    let done = send(&home, &["ops", "x", "--title", "all answered", "--priority", "4"]);
    let open = send(&home, &["db", "x", "--title", "bo only read it", "--ack-button"]);
    let hers = home.run(&anna.say(&["send", "ops", "x", "--title", "by anna"])).ok().line().to_owned();
    for person in [&anna, &bo] {
        person.press("acknowledge", &done);
        person.press("read", &hers);
    }
    bo.press("read", &open);
    let lists = |flags: &[&str]| {
        let list = home.json(&[&["receipts"], flags].concat());
        list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lists(&[]), [&hers, &open, &done, &quiet].map(String::as_str), "newest first");
    assert_eq!(lists(&["--filter", "undelivered"]), [quiet.as_str()]);
    assert_eq!(lists(&["--filter", "unacknowledged"]), [open.as_str()], "what asks for it");
    assert_eq!(lists(&["--topic", "db"]), [open.as_str()]);
    assert_eq!(lists(&["--user", "anna"]), [&hers, &done, &quiet].map(String::as_str));
    assert_eq!(lists(&["--filter", "undelivered", "--topic", "db"]), [""; 0]);
    assert_eq!(lists(&["--limit", "2", "--since", "1h"]), [hers.as_str(), open.as_str()]);
    let own: Value = home.run(&anna.say(&["receipts", "--json"])).ok().json();
    assert_eq!((own.as_array().unwrap().len(), &own[0]["id"]), (1, &json!(hers)), "what she sent");

    let table = home.run(&["receipts", "--filter", "undelivered"]).ok().out;
    let cells: Vec<&str> = row(&table, &quiet).split_whitespace().skip(3).collect();
    assert_eq!(cells, ["ops", "2", "2", "0", "0", "nobody", "has", "it"], "{table}");
    assert_eq!(table.lines().count(), 2, "{table}");
    let none = home.run(&["receipts", "--filter", "undelivered", "--topic", "db"]).ok();
    assert!(none.err.contains("Nothing fits"), "{}", none.err);
    for (flag, name, next) in [
        ("--topic", "nowhere", "tocsin topic list"),
        ("--user", "nobody", "tocsin user list"),
        ("--channel", "pager", "tocsin channel list"),
    ] {
        let unknown = home.run(&["receipts", flag, name]).code(1);
        assert!(unknown.err.contains(next), "{flag}: {}", unknown.err);
    }
}

#[test]
fn a_reminder_goes_to_those_who_lack_it_or_are_named() {
    let (home, _server, _anna, bo) = office();
    let id = send(&home, &["ops", "disk full"]);
    bo.press("read", &id);
    let unknown = home.run(&["resend", &id, "--via", "desktop,pager"]).code(1);
    assert!(unknown.err.contains("tocsin channel list"), "{}", unknown.err);
    let unknown = home.run(&["resend", &id, "--to", "zoe"]).code(1);
    assert!(unknown.err.contains("tocsin user list"), "{}", unknown.err);
    let stranger = home.run(&["resend", &id, "--to", "root"]).code(1);
    assert!(stranger.err.contains("not owed to root"), "{}", stranger.err);
    let nothing = home.run(&["resend", "aaaaaaaaaaaa"]).code(1);
    assert!(nothing.err.contains("tocsin send"), "{}", nothing.err);
    home.run(&bo.say(&["resend", &id])).code(4);
    assert_eq!((reminded(&home, &id, "anna"), reminded(&home, &id, "bo")), (None, None), "all or nothing");

    let missing = home.run(&["resend", &id]).ok();
    assert!(missing.out.contains("Reminded: 1,"), "{}", missing.out);
    let first = reminded(&home, &id, "anna");
    assert!(first.is_some() && reminded(&home, &id, "bo").is_none(), "bo has it");
    let named = home.json(&["resend", &id, "--to", "bo"]);
    assert_eq!(named, json!({"reminded": 1, "queued": 0, "already": 0, "unreachable": []}));
    assert!(reminded(&home, &id, "bo").is_some());

    // A command that is given again is another reminder. A request that is made again is not.
    let paths = Paths::from_variables(Some(&home.data()), &|_| None).unwrap();
    let client = Client::server(&paths);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let order = json!({"via": ["desktop"], "until": home.json(&["receipt", &id])["as_of_ms"]});
    let ask =
        || -> Value { runtime.block_on(client.post(&format!("/v1/messages/{id}/resend"), &order)).unwrap() };
    assert_eq!(ask(), json!({"reminded": 1, "queued": 0, "already": 0, "unreachable": []}));
    let again = reminded(&home, &id, "anna");
    assert!(again > first, "told again: {again:?} {first:?}");
    assert_eq!(ask(), json!({"reminded": 0, "queued": 0, "already": 1, "unreachable": []}));
    assert_eq!(reminded(&home, &id, "anna"), again);
}

#[test]
fn over_a_channel_it_is_queued_once_and_who_is_not_reached_is_named() {
    let (home, _server, anna, _bo) = office();
    // It has no secret: what is sent over it waits.
    home.add_app("http://127.0.0.1:9").ok();
    home.run(&["channel", "bind", "app", "anna", "AnnaLi"]).ok();
    let id = send(&home, &["ops", "disk full"]);
    let sent = home.run(&["resend", &id, "--via", "app"]).ok();
    assert!(sent.out.contains("queued over channels: 1"), "{}", sent.out);
    assert!(sent.out.contains("No address at the channel: bo\n"), "{}", sent.out);
    let again = home.json(&["resend", &id, "--via", "app", "--to", "anna"]);
    let counts = (&again["queued"], &again["already"], &again["unreachable"]);
    assert_eq!(counts, (&json!(0), &json!(1), &json!([])), "it waits already");
    let nobody = home.run(&["resend", &id, "--via", "app", "--to", "bo", "--json"]).code(1);
    assert_eq!(nobody.json()["unreachable"], json!(["bo"]));
    let ways = &home.json(&["receipt", &id])["people"][0]["ways"];
    assert_eq!((ways.as_array().unwrap().len(), &ways[0]["channel"]), (1, &json!("app")), "{ways}");
    let failed = ["receipts", "--filter", "failed", "--channel", "app"];
    assert_eq!(home.json(&failed), json!([]));

    home.run(&["channel", "unbind", "app", "anna"]).ok();
    let listed =
        wait_for("the failure in the list", || Some(home.json(&failed)).filter(|list| *list != json!([])));
    assert_eq!((&listed[0]["id"], &listed[0]["failed"]), (&json!(id), &json!(1)));

    // Everybody has it: there is nothing to do, and that is no failure.
    let all = send(&home, &["--to", "anna", "hello"]);
    anna.press("read", &all);
    home.run(&["resend", &all]).ok();
}

#[test]
fn what_is_cancelled_goes_no_further_and_can_still_be_answered() {
    let (home, _server, anna, _bo) = office();
    home.add_app("http://127.0.0.1:9").ok();
    home.run(&["channel", "bind", "app", "anna", "AnnaLi"]).ok();
    home.run_with(&["policy", "set", "night"], NIGHT).ok();
    let id = send(&home, &["ops", "disk full", "--policy", "night"]);
    home.run(&["resend", &id, "--via", "app", "--to", "anna"]).ok();
    home.run(&anna.say(&["cancel", &id])).code(4);
    assert_eq!(home.json(&["receipt", &id])["escalation"]["state"], "running");

    let stopped = home.run(&["cancel", &id]).ok();
    assert!(stopped.out.contains("no further step runs. Deliveries that waited: 1"), "{}", stopped.out);
    let receipt = home.json(&["receipt", &id]);
    let escalation = &receipt["escalation"];
    assert_eq!((&escalation["state"], &escalation["by"]), (&json!("cancelled"), &json!("root")));
    assert_eq!(receipt["people"][0]["ways"][0]["state"], "cancelled", "{receipt:#}");
    assert_eq!(home.json(&["cancel", &id]), json!({"escalation": false, "deliveries": 0}), "nothing twice");
    let again = home.run(&["cancel", &id]).ok();
    assert!(again.out.contains("Nothing was under way"), "{}", again.out);
    let nothing = home.run(&["cancel", "aaaaaaaaaaaa"]).code(1);
    assert!(nothing.err.contains("tocsin send"), "{}", nothing.err);

    let wait = ["receipt", &id, "--wait", "acknowledged", "--any", "--timeout"];
    home.run(&[&wait[..], &["1s"]].concat()).code(5);
    let waits = home.start(&[&wait[..], &["30s"]].concat());
    anna.press("acknowledge", &id);
    waits.end().ok();
}

#[test]
fn a_policy_is_set_shown_attached_and_removed() {
    let (home, _server, anna, _bo) = office();
    let none = home.run(&["policy", "list"]).ok();
    assert!(none.err.contains("tocsin policy set"), "{}", none.err);
    let file = home.dir.path().join("night.json");
    fs::write(&file, NIGHT).unwrap();
    let set = home.run(&["policy", "set", "night", file.to_str().unwrap()]).ok();
    assert!(set.out.contains("night"), "{}", set.out);
    let shown = home.run(&["policy", "show", "night"]).ok();
    let steps = serde_json::from_str::<Value>(NIGHT).unwrap()["steps"].clone();
    assert_eq!(shown.json()["steps"], steps);
    let copied: Value = home.run_with(&["policy", "set", "copy", "-", "--json"], &shown.out).ok().json();
    assert_eq!((&copied["name"], &copied["steps"]), (&json!("copy"), &steps), "what is shown can be set");
    home.run(&["policy", "remove", "copy"]).ok();

    let named = ["send", "ops", "by anna", "--policy", "night"];
    let refused = home.run(&anna.say(&named)).code(4);
    assert!(refused.err.contains("attach it to the topic"), "{}", refused.err);
    home.run(&["topic", "change", "ops", "--policy", "night"]).ok();
    home.run(&anna.say(&named)).ok();
    assert_eq!(home.json(&["topic", "list"])[0]["policy"], "night");
    let table = home.run(&["policy", "list"]).ok().out;
    assert_eq!(row(&table, "night").split_whitespace().collect::<Vec<_>>(), ["night", "2", "ops", "night"]);

    let id = send(&home, &["ops", "the topic's own"]);
    home.run(&["policy", "remove", "night"]).ok();
    assert_eq!(home.json(&["policy", "list"]), json!([]));
    assert!(home.json(&["topic", "list"])[0]["policy"].is_null(), "it is off its topic");
    let escalation = &home.json(&["receipt", &id])["escalation"];
    assert_eq!((&escalation["policy"], &escalation["state"]), (&json!("night"), &json!("running")));
    for args in [
        &["policy", "show", "night"][..],
        &["policy", "remove", "night"],
        &["topic", "change", "ops", "--policy", "night"],
        &["send", "ops", "x", "--policy", "night"],
    ] {
        let gone = home.run(args).code(1);
        assert!(gone.err.contains("tocsin policy list"), "{args:?}: {}", gone.err);
    }
}

#[test]
fn a_step_is_taken_and_an_acknowledgement_ends_them() {
    let (home, _server, anna, _bo) = office();
    home.run_with(&["policy", "set", "now"], &NIGHT.replace("120", "0")).ok();
    let id = send(&home, &["ops", "disk full", "--policy", "now"]);
    let ran = wait_for("the first step", || {
        let receipt = home.json(&["receipt", &id]);
        receipt["escalation"]["steps"].get(0).map(|_| receipt["escalation"].clone())
    });
    let step = &ran["steps"][0];
    assert_eq!((&step["outcome"], &step["people"]), (&json!("notified"), &json!(["anna", "bo"])));
    assert_eq!((&ran["state"], &ran["next"]["step"]), (&json!("running"), &json!(2)));
    anna.press("acknowledge", &id);
    let ended = &home.json(&["receipt", &id])["escalation"];
    assert_eq!((&ended["state"], &ended["by"]), (&json!("acknowledged"), &json!("anna")));
    assert!(ended["next"].is_null(), "{ended}");
}

#[test]
fn a_dry_run_tells_when_whom_and_who_is_not_reached() {
    let (home, _server, _anna, _bo) = office();
    home.run(&["topic", "add", "empty"]).ok();
    home.add_app("http://127.0.0.1:9").ok();
    home.run(&["channel", "bind", "app", "anna", "AnnaLi"]).ok();
    let dry_run =
        |policy: &str, flags: &[&str]| home.run_with(&[&["policy", "dry-run"], flags].concat(), policy);
    let by_app = NIGHT.replace(r#""via": ["desktop"], "repeat""#, r#""via": ["app"], "repeat""#);
    let shown = dry_run(&by_app, &["--topic", "ops"]).ok();
    let rows =
        shown.out.lines().skip(1).map(|row| row.split_whitespace().skip(2).collect::<Vec<_>>().join(" "));
    let told = ["1.0 anna, bo desktop", "2.0 anna app", "2.1 bo app", "2.2 anna app", "2.3 bo app"];
    assert_eq!(rows.map(|row| row.replace("acknowledged_by_any ", "")).collect::<Vec<_>>(), told);
    assert!(shown.err.contains("bo has no address at app") && !shown.err.contains("anna"), "{}", shown.err);
    let nobody = dry_run(NIGHT, &["--topic", "empty"]).ok();
    assert!(nobody.err.contains("step 1 tells nobody"), "{}", nobody.err);
    let unknown = dry_run(NIGHT, &["--topic", "nowhere"]).code(1);
    assert!(unknown.err.contains("tocsin topic list"), "{}", unknown.err);

    // All day but its last minute, which holds one of the steps at most.
    let quiet = r#"60}], "quiet": {"from": "00:00", "to": "23:59", "zone": "Asia/Shanghai"}}"#;
    let rests = NIGHT.replace("60}]}", quiet);
    let put_off = |flags: &[&str]| {
        let timeline = dry_run(&rests, &[flags, &["--json"]].concat()).ok().json();
        timeline["steps"].as_array().unwrap().iter().filter(|step| step["put_off"] == true).count()
    };
    assert!(put_off(&[]) > 0, "steps wait for the end of quiet hours");
    let marked = |flags: &[&str]| dry_run(&rests, flags).ok().out.contains("put off to the end of the quiet");
    assert!(marked(&[]) && !marked(&["--priority", "5"]), "people are told so too");
    assert_eq!(put_off(&["--priority", "5"]), 0, "the most urgent does not");
    assert_eq!(home.json(&["policy", "list"]), json!([]), "nothing was kept");
}

#[test]
fn a_policy_that_cannot_be_is_refused_by_what_is_wrong_in_it() {
    let (home, _server, _anna, _bo) = office();
    let night_ends = r#"60}], "quiet": {"from": "24:00", "to": "07:00", "zone": "UTC"}}"#;
    for (right, wrong, code, told) in [
        ("\"after_s\": 120", "\"after\": 1", 2, &["unknown field `after`", "tocsin policy set --help"]),
        ("\"steps\"", "\"step\"", 2, &["unknown field `step`", "line 1 column"]),
        ("120", "\"soon\"", 2, &["\"soon\"", "line 2 column"]),
        ("acknowledged_by_any", "answered", 2, &["`answered`", "`acknowledged_by_any`"]),
        (", \"every_s\": 60", "", 1, &["step 2", "every_s"]),
        ("\"every_s\": 60", "\"every_s\": 5", 1, &["step 2", "30 seconds"]),
        ("300", "60", 1, &["step 2", "order of their times"]),
        ("[\"desktop\"]", "[\"pager\"]", 1, &["step 1", "no channel named \"pager\""]),
        ("\"bo\"", "\"zoe\"", 1, &["\"zoe\"", "tocsin user list"]),
        ("60}]}", night_ends, 1, &["\"24:00\"", "no time"]),
    ] {
        assert!(NIGHT.contains(right), "{right}");
        let policy = NIGHT.replace(right, wrong);
        for verb in [&["policy", "set", "night"][..], &["policy", "dry-run"]] {
            let refused = home.run_with(verb, &policy).code(code);
            for word in told {
                assert!(refused.err.contains(word), "{policy}: {}", refused.err);
            }
        }
    }
    let none = home.run_with(&["policy", "set", "night"], "{\"steps\": []}").code(1);
    assert!(none.err.contains("1 to 20 steps"), "{}", none.err);
    let missing = home.run(&["policy", "set", "night", "/nonexistent.json"]).code(2);
    assert!(missing.err.contains("cannot read /nonexistent.json"), "{}", missing.err);
    let name = home.run_with(&["policy", "set", "a night"], NIGHT).code(2);
    assert!(name.err.contains("a night") && name.err.contains("letters, digits"), "{}", name.err);
    assert_eq!(home.json(&["policy", "list"]), json!([]));
}
