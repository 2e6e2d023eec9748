//! What was answered and what was received, written down as it happens and judged at the end.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde_json::json;

/// The subscribers.
pub const TRANSPORTS: [&str; 3] = ["poll", "sse", "ws"];

/// What is known.
pub struct Oracle {
    directory: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    published: File,
    received: HashMap<&'static str, File>,
    /// By key: id and seq of its 201.
    answered: BTreeMap<String, (String, u64)>,
    repeats: u64,
    /// By transport: (seq, id) in order of arrival, repetitions included.
    arrived: HashMap<&'static str, Vec<(u64, String)>>,
    /// By transport: ids, for a quick look.
    has: HashMap<&'static str, HashSet<String>>,
    wrong: Vec<String>,
}

impl Oracle {
    pub fn new(directory: &Path) -> Self {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory).unwrap();
        let file = |name: &str| File::create(directory.join(format!("{name}.jsonl"))).unwrap();
        let known = Known {
            published: file("published"),
            received: TRANSPORTS.iter().map(|transport| (*transport, file(transport))).collect(),
            answered: BTreeMap::new(),
            repeats: 0,
            arrived: HashMap::new(),
            has: HashMap::new(),
            wrong: Vec::new(),
        };
        Self { directory: directory.into(), known: Mutex::new(known) }
    }

    /// A 201.
    pub fn published(&self, key: &str, id: &str, seq: u64) {
        let mut known = self.known.lock().unwrap();
        writeln!(known.published, "{}", json!({ "key": key, "id": id, "seq": seq })).unwrap();
        let before = known.answered.insert(key.into(), (id.into(), seq));
        if let Some(before) = before {
            known.repeats += 1;
            if before != (id.to_owned(), seq) {
                known.wrong.push(format!("key {key} was {before:?} and then {id}, {seq}"));
            }
        }
    }

    /// A message at a subscriber.
    pub fn received(&self, transport: &'static str, id: &str, seq: u64) {
        let mut known = self.known.lock().unwrap();
        let line = json!({ "id": id, "seq": seq });
        writeln!(known.received.get_mut(transport).unwrap(), "{line}").unwrap();
        known.arrived.entry(transport).or_default().push((seq, id.into()));
        known.has.entry(transport).or_default().insert(id.into());
    }

    /// Something that must not happen.
    pub fn wrong(&self, what: String) {
        self.known.lock().unwrap().wrong.push(what);
    }

    /// Whether every subscriber has every 201.
    pub fn all_received(&self) -> bool {
        let known = self.known.lock().unwrap();
        TRANSPORTS.iter().all(|transport| {
            let has = known.has.get(transport);
            has.is_some_and(|has| known.answered.values().all(|(id, _)| has.contains(id)))
        })
    }

    /// The judgement; panics with all that is wrong.
    pub fn check(&self) -> String {
        let known = self.known.lock().unwrap();
        let mut wrong = known.wrong.clone();
        let mut by_seq: Vec<(u64, String)> =
            known.answered.values().map(|(id, seq)| (*seq, id.clone())).collect();
        by_seq.sort();
        let ids: HashSet<&String> = by_seq.iter().map(|(_, id)| id).collect();
        if ids.len() != known.answered.len() {
            wrong.push("two keys have one id".into());
        }
        let mut twice = Vec::new();
        for transport in TRANSPORTS {
            let arrived = known.arrived.get(transport).cloned().unwrap_or_default();
            let mut seen = HashSet::new();
            let once: Vec<(u64, String)> =
                arrived.iter().filter(|(_, id)| seen.insert(id)).cloned().collect();
            twice.push(format!("{transport} {} repetitions", arrived.len() - once.len()));
            wrong.extend(compare(transport, &by_seq, &once));
        }
        let told = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(
            wrong.is_empty(),
            "{} faults; the oracle's files are in {}\n{told}",
            wrong.len(),
            self.directory.display()
        );
        assert!(known.repeats > 0, "no key was repeated: the test shows less than it should");
        format!("{} messages, {} keys repeated; {}", by_seq.len(), known.repeats, twice.join(", "))
    }
}

fn compare(transport: &str, sent: &[(u64, String)], once: &[(u64, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let has: HashSet<&(u64, String)> = once.iter().collect();
    let owed: HashSet<&(u64, String)> = sent.iter().collect();
    for missing in sent.iter().filter(|message| !has.contains(message)) {
        wrong.push(format!("{transport}: {missing:?} was answered and never received"));
    }
    for surplus in once.iter().filter(|message| !owed.contains(message)) {
        wrong.push(format!("{transport}: {surplus:?} was received and never answered"));
    }
    for pair in once.windows(2).filter(|pair| pair[0].0 >= pair[1].0) {
        wrong.push(format!("{transport}: {:?} came before {:?}", pair[0], pair[1]));
    }
    wrong
}
