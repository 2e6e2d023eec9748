//! The inbox as a page: one column for each phone, newest first, with buttons that can be pressed.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{inbox::Item, shared::Shared};

/// Newest items of one phone that are shown; a storm must not make a page of megabytes.
const SHOWN: usize = 50;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:1.5rem;background:#ededed;color:#191919}\
main{display:flex;gap:1rem;flex-wrap:wrap;align-items:flex-start}section{width:20rem;background:#f7f7f7;border-radius:1rem;\
padding:1rem}article{background:#fff;border-radius:.5rem;padding:.6rem .8rem;margin:.6rem 0;overflow-wrap:anywhere}\
h2{font-size:1rem;margin:0}h3{font-size:1rem;margin:0}p{margin:.3rem 0;white-space:pre-wrap}small{color:#666}\
button{font:inherit;margin:.2rem .4rem .2rem 0}form{display:inline}.done{color:#07834a}table{border-spacing:1rem 0}\
code{background:#fff;padding:0 .2rem}";

/// Draws the page.
pub(super) fn draw(shared: &Shared) -> String {
    let accounts = super::accounts::show(shared);
    let (phones, unseen) = shared.world(|world| {
        let mut phones: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for item in world.inbox.shown() {
            phones.entry(item.to.clone()).or_default().push(item.clone());
        }
        (phones, world.inbox.all().iter().filter(|item| !item.is_shown()).count())
    });
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>WeChat simulator</title><style>{STYLE}</style>\
         <h1>What the phones show</h1><p>Reload to see what is new. {unseen} message(s) that no phone shows (dropped, \
         suppressed, undelivered, recalled): <a href=\"/sim/inbox?all=1\">/sim/inbox?all=1</a>. \
         <a href=\"/sim/accounts\">Credentials</a>, <a href=\"/sim/journal\">requests</a>, \
         <a href=\"/sim/callbacks\">callbacks</a>, <a href=\"/sim/stats\">counts</a>.</p><main>"
    );
    if phones.is_empty() {
        page.push_str("<section>Nothing has come yet.</section>");
    }
    for (to, items) in phones {
        let count = items.len();
        let _ = write!(page, "<section><h2>{} <small>({count})</small></h2>", escape(&to));
        for item in items.iter().rev().take(SHOWN) {
            draw_item(&mut page, item);
        }
        page.push_str("</section>");
    }
    let _ = write!(
        page,
        "</main><details><summary>Accounts</summary><pre>{}</pre></details>",
        escape(&format!("{accounts:#}"))
    );
    page
}

fn draw_item(page: &mut String, item: &Item) {
    let _ =
        write!(page, "<article><small>#{} {} {}</small>", item.id, escape(&item.account), escape(&item.kind));
    if !item.title.is_empty() {
        let _ = write!(page, "<h3>{}</h3>", escape(&item.title));
    }
    let _ = write!(page, "<p>{}</p>", escape(&item.text));
    if let Some(url) = &item.url {
        let _ = write!(page, "<p><code>{}</code></p>", escape(url));
    }
    if !item.mentioned.is_empty() {
        let _ = write!(page, "<p><small>@ {}</small></p>", escape(&item.mentioned.join(", ")));
    }
    for button in &item.buttons {
        let _ = write!(
            page,
            "<form method=\"post\" action=\"/sim/press\"><input type=\"hidden\" name=\"item\" value=\"{}\">\
             <button name=\"key\" value=\"{}\">{}</button></form>",
            item.id,
            escape(&button.key),
            escape(&button.text),
        );
    }
    if let Some(words) = &item.replaced {
        let _ = write!(page, "<p class=\"done\">{}</p>", escape(words));
    }
    page.push_str("</article>");
}

/// Everything here came over the wire.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
