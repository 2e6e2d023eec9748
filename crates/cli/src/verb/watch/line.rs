//! A message as one line.

use tocsin_protocol::{Message, control::Transport};

use crate::{
    exit::Failure,
    output::{Output, one_line, print_json, print_line, time},
};

/// Prints it.
pub fn print(out: Output, message: &Message) -> Result<(), Failure> {
    if out.json { print_json(message) } else { print_line(&human(message)) }
}

fn human(message: &Message) -> String {
    let mut parts = vec![time(message.created_at), format!("[{}]", message.priority.get())];
    parts.extend(message.topic.clone().map(|topic| format!("{topic}:")));
    for text in [&message.title, &message.body] {
        let text = one_line(text);
        if !text.is_empty() {
            parts.push(text);
        }
    }
    parts.extend(message.click.as_deref().map(|url| format!("<{}>", one_line(url))));
    parts.push(format!("({})", message.id));
    parts.join(" ")
}

/// Its usual name.
pub fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Websocket => "WebSocket",
        Transport::Sse => "SSE",
        Transport::Poll => "poll",
    }
}
