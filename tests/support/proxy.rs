//! A real haproxy between a joined resident and its host: it ends TLS with a certificate of the host's own authority,
//! as a company's proxy would with one of its own.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use tocsin_virtual_desktop::{Running, wait_for};

use super::{App, PATIENCE, api, free_port};

/// What the proxy does to streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Passes everything.
    Honest,
    /// Refuses to upgrade a connection: no WebSocket.
    RefusesUpgrade,
    /// That, and holds event streams back until they are long: no Server-Sent Events.
    BuffersToo,
}

/// The proxy.
pub struct Proxy {
    process: Option<Running>,
    directory: PathBuf,
    port: u16,
    backend: u16,
}

impl Proxy {
    /// Starts one before the host's LAN port, with a certificate signed by the authority in the host's keyring.
    pub fn start(host: &App, backend: u16) -> Result<Self> {
        let directory = host.scratch("proxy")?;
        certificate(host, &directory)?;
        let mut proxy = Self { process: None, directory, port: free_port(), backend };
        proxy.become_(Habit::Honest)?;
        Ok(proxy)
    }

    /// Its address, in place of the host's.
    pub fn origin(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Starts it again with another habit; open connections break.
    pub fn become_(&mut self, habit: Habit) -> Result<()> {
        self.process = None;
        let refuse = "http-request deny deny_status 400 if { req.hdr(upgrade) -m found }";
        let buffer = "http-response wait-for-body time 300s at-least 1m if { res.hdr(content-type) -m beg text/event-stream }";
        let config = format!(
            "global\n    maxconn 100\n\
             defaults\n    mode http\n    timeout connect 5s\n    timeout client 120s\n    timeout server 120s\n    timeout tunnel 120s\n\
             frontend lan\n    bind 127.0.0.1:{} ssl crt {}\n    {}\n    {}\n    http-request return status 200 if {{ path /proxy-is-there }}\n    default_backend host\n\
             backend host\n    server host 127.0.0.1:{} ssl verify none\n",
            self.port,
            self.directory.join("leaf.pem").display(),
            if habit == Habit::Honest { "" } else { refuse },
            if habit == Habit::BuffersToo { buffer } else { "" },
            self.backend,
        );
        let file = self.directory.join("haproxy.cfg");
        fs::write(&file, config)?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        command.stderr(fs::File::create(self.directory.join("haproxy.log"))?);
        self.process = Some(Running::start("haproxy", &mut command)?);
        let ready = format!("{}/proxy-is-there", self.origin());
        wait_for("haproxy", PATIENCE, || api::curl(&["--insecure", "--fail", &ready]).ok())
            .with_context(|| fs::read_to_string(self.directory.join("haproxy.log")).unwrap_or_default())?;
        Ok(())
    }
}

/// Name of the host's authority in its keyring.
fn authority(host: &App) -> Result<String> {
    let names = fs::read_to_string(host.paths()?.data.join("keyring.names"))?;
    let name = names.lines().find(|name| name.ends_with("/certificate-authority"));
    Ok(name.context("no authority was stored")?.to_owned())
}

/// Makes `leaf.pem`: key and certificate for 127.0.0.1, signed with the key that the host keeps in its keyring.
fn certificate(host: &App, directory: &std::path::Path) -> Result<()> {
    let output = host
        .home
        .command("secret-tool", "secret-tool")?
        .args(["lookup", "service", "io.github.tocsin", "username", &authority(host)?])
        .stdout(std::process::Stdio::piped())
        .output()?;
    ensure!(!output.stdout.is_empty(), "the keyring has no certificate authority");
    let at = |name: &str| directory.join(name).display().to_string();
    fs::write(at("ca.pem"), output.stdout)?;
    fs::write(at("san"), "subjectAltName=IP:127.0.0.1")?;
    openssl(
        &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=proxy"],
        &["-keyout", &at("leaf.key"), "-out", &at("leaf.csr")],
    )?;
    openssl(
        &["x509", "-req", "-days", "30", "-CAcreateserial"],
        &[
            "-in",
            &at("leaf.csr"),
            "-CA",
            &at("ca.pem"),
            "-CAkey",
            &at("ca.pem"),
            "-extfile",
            &at("san"),
            "-out",
            &at("leaf.crt"),
        ],
    )?;
    let pem = [
        fs::read_to_string(at("leaf.crt"))?,
        fs::read_to_string(at("leaf.key"))?,
        certificates(&at("ca.pem"))?,
    ];
    Ok(fs::write(at("leaf.pem"), pem.concat())?)
}

/// The certificates of a PEM file, without its keys.
fn certificates(file: &str) -> Result<String> {
    let output = Command::new("openssl").args(["x509", "-in", file]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

fn openssl(verb: &[&str], files: &[&str]) -> Result<()> {
    let output = Command::new("openssl").args(verb).args(files).output().context("cannot start openssl")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
