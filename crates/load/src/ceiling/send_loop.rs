//! The ceiling of a fan-out that writes once per delivery: a loop of `send()` over accepted connections, one thread.
//!
//! On loopback the sender's `send()` also runs the receiver's TCP receive path, so both sides of the comparison pay it.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use anyhow::Result;

/// Bytes of one message, about what the server's frame of the measured message has.
pub const MESSAGE_BYTES: usize = 256;

/// Prints its port, waits for `connections` and then for commands on standard input: a number is how many messages
/// to send to all. Answers each with a line when done.
pub fn run(connections: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let mut peers = Vec::with_capacity(connections);
    while peers.len() < connections {
        let (peer, _) = listener.accept()?;
        peer.set_nodelay(true)?;
        peers.push(peer);
    }
    println!("connected");
    let message = [b'x'; MESSAGE_BYTES];
    let mut line = [0; 16];
    loop {
        let read = std::io::stdin().read(&mut line)?;
        if read == 0 {
            return Ok(());
        }
        let rounds: usize = std::str::from_utf8(&line[..read])?.trim().parse()?;
        for _ in 0..rounds {
            for peer in &mut peers {
                peer.write_all(&message)?;
            }
        }
        println!("done");
    }
}
