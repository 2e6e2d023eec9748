//! A running simulator.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    answer::Host, behaviour::Behaviour, clock::Clock, fault::Fault, net, phone, schedule, shared::Shared,
    world::World,
};

/// Why it does not run, or did not see what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port is taken.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The deadline passed.
    #[error("waited in vain for {0}")]
    Waited(String),
    /// A person cannot do this on their phone.
    #[error("{0}")]
    Phone(&'static str),
}

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port of the official-account host; 0: any.
    pub oa_port: u16,
    /// Port of the WeCom host; 0: any.
    pub wecom_port: u16,
    /// Of everything random.
    pub seed: u64,
    /// Running, or frozen for virtual time. A clone of it moves with it.
    pub clock: Clock,
    /// Switches.
    pub behaviour: Behaviour,
}

impl Default for Options {
    fn default() -> Self {
        Self { oa_port: 0, wecom_port: 0, seed: 1, clock: Clock::running(), behaviour: Behaviour::default() }
    }
}

/// Both platforms on loopback; they end when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    oa: SocketAddr,
    wecom: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Simulator {
    /// Starts both hosts with the ready-made accounts.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let world = World::new(options.seed, options.behaviour, options.clock.now_ms());
        let shared = Arc::new(Shared::new(world, options.clock));
        let (oa, wecom) = (listen(options.oa_port).await?, listen(options.wecom_port).await?);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut addresses = Vec::new();
        for ((listener, address), host) in [(oa, Host::Oa), (wecom, Host::WeCom)] {
            addresses.push(address);
            tasks.spawn(net::serve(listener, host, Arc::clone(&shared), tasks.clone(), stop.clone()));
        }
        tasks.spawn(schedule::run(Arc::clone(&shared), tasks.clone(), stop.clone()));
        Ok(Self { shared, oa: addresses[0], wecom: addresses[1], stop, tasks })
    }

    /// Instead of `https://api.weixin.qq.com`.
    pub fn oa_url(&self) -> String {
        format!("http://{}", self.oa)
    }

    /// Instead of `https://qyapi.weixin.qq.com`.
    pub fn wecom_url(&self) -> String {
        format!("http://{}", self.wecom)
    }

    /// A robot's address, as a group shows it.
    pub fn robot_url(&self, key: &str) -> String {
        format!("http://{}/cgi-bin/webhook/send?key={key}", self.wecom)
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Looks at what the platforms know, or changes it.
    pub fn world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        let result = self.shared.world(look);
        self.shared.touch();
        result
    }

    /// Every account with its simulated credentials, as `GET /sim/accounts` shows them.
    pub fn accounts(&self) -> Value {
        crate::admin::accounts(&self.shared)
    }

    /// Puts a fault in.
    pub fn inject(&self, fault: Fault) {
        self.world(|world| world.inject(fault));
    }

    /// Sets switches by their names, as `PATCH /sim/config` does.
    pub fn configure(&self, patch: &Value) -> Result<(), serde_json::Error> {
        self.world(|world| world.behaviour.patch(patch))
    }

    /// Ends every token as if its time were over.
    pub fn expire_tokens(&self) {
        let now = self.clock().now_ms();
        self.world(|world| world.expire_tokens(now));
    }

    /// Another program refreshes every credential.
    pub fn steal_tokens(&self) {
        let now = self.clock().now_ms();
        self.world(|world| world.steal_tokens(now));
    }

    /// The person on whose phone the item is presses the button with this key.
    pub fn press(&self, item: u64, key: &str) -> Result<(), Error> {
        let now = self.clock().now_ms();
        self.world(|world| phone::press(world, item, key, now)).map_err(Error::Phone)
    }

    /// Somebody follows the official account.
    pub fn follow(&self, openid: &str) {
        let now = self.clock().now_ms();
        self.world(|world| phone::follow(world, openid, now));
    }

    /// Somebody leaves it.
    pub fn unfollow(&self, openid: &str) -> Result<(), Error> {
        let now = self.clock().now_ms();
        self.world(|world| phone::unfollow(world, openid, now)).map_err(Error::Phone)
    }

    /// Somebody scans a code, named by its ticket or its scene.
    pub fn scan(&self, openid: &str, code: &str) -> Result<(), Error> {
        let now = self.clock().now_ms();
        self.world(|world| phone::scan(world, openid, code, now)).map_err(Error::Phone)
    }

    /// Somebody writes to it.
    pub fn say(&self, openid: &str, words: &str) -> Result<(), Error> {
        let now = self.clock().now_ms();
        self.world(|world| phone::say(world, openid, words, now)).map_err(Error::Phone)
    }

    /// Waits, in real time, until `look` gives something.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        patience: Duration,
        mut look: impl FnMut(&World) -> Option<T>,
    ) -> Result<T, Error> {
        let mut changes = self.shared.changes();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = self.shared.world(|world| look(world)) {
                    return found;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.map_err(|_| Error::Waited(what.to_owned()))
    }

    /// Ends both hosts and waits until they have.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), Error> {
    // Loopback only: the control plane asks for no password.
    let bound = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|source| Error::Listen { port, source })
}
