//! A file of secrets sealed with a passphrase, for computers without a keyring.
//!
//! `TOCSINV1` · salt (16) · nonce (24) · XChaCha20-Poly1305 of a JSON object, keyed by Argon2id of the passphrase. A new
//! salt and nonce for every write. The head is authenticated with the content, so that nothing of it can be exchanged.
//!
//! One change at a time, each written whole to a draft beside the file and renamed: a crash leaves the old file or the
//! new one, and what is in memory is what is on the disk.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use rand::Rng as _;
use tocsin_subscriber::Secret;
use tokio::sync::Mutex;

use super::{Vault, VaultError};

/// Fewest characters of a passphrase.
pub const PASSPHRASE_CHARS: usize = 8;

const MAGIC: &[u8; 8] = b"TOCSINV1";
const SALT: usize = 16;
const NONCE: usize = 24;
/// Argon2id: 19 MiB and two passes, the least that OWASP names; a fraction of a second, and the memory is given back.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Why a sealed file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum BadPassphrase {
    /// Too short to be worth sealing with.
    #[error("the passphrase needs at least {PASSPHRASE_CHARS} characters")]
    Short,
    /// It does not open the file (or the file is damaged, which cannot be told apart).
    #[error("this passphrase does not open the sealed file")]
    Wrong,
    /// The file cannot be read or written.
    #[error("the sealed file cannot be used: {0}")]
    File(String),
}

/// An open file.
pub struct Sealed {
    file: PathBuf,
    passphrase: Secret,
    content: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Sealed {
    /// Opens the file, or begins one.
    pub async fn open(file: PathBuf, passphrase: String) -> Result<Self, BadPassphrase> {
        if passphrase.chars().count() < PASSPHRASE_CHARS {
            return Err(BadPassphrase::Short);
        }
        let passphrase = Secret::from(passphrase);
        let (path, words) = (file.clone(), passphrase.clone());
        let opened = tokio::task::spawn_blocking(move || read(&path, &words)).await;
        let content = opened.map_err(|error| BadPassphrase::File(error.to_string()))??;
        let sealed = Self { file, passphrase, content: Arc::new(Mutex::new(content)) };
        // Written at once: the next start must find that a passphrase was chosen.
        sealed.change(|_| {}).await.map_err(|error| BadPassphrase::File(error.to_string()))?;
        Ok(sealed)
    }

    async fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<(), VaultError> {
        let (file, passphrase) = (self.file.clone(), self.passphrase.clone());
        // Goes with the writing: whoever asked may be gone before it is done.
        let mut content = Arc::clone(&self.content).lock_owned().await;
        let mut changed = content.clone();
        change(&mut changed);
        let writing = tokio::task::spawn_blocking(move || {
            write(&file, &passphrase, &changed)?;
            *content = changed;
            Ok(())
        });
        writing.await.map_err(|error| VaultError::Failed(error.to_string()))?.map_err(VaultError::Failed)
    }
}

#[async_trait]
impl Vault for Sealed {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        Ok(self.content.lock().await.get(name).cloned().map(Secret::from))
    }

    async fn set(&self, name: &str, secret: &Secret) -> Result<(), VaultError> {
        self.change(|content| drop(content.insert(name.into(), secret.expose().into()))).await
    }

    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.change(|content| drop(content.remove(name))).await
    }
}

fn cipher(passphrase: &Secret, salt: &[u8]) -> Result<XChaCha20Poly1305, String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|error| error.to_string())?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut key)
        .map_err(|error| error.to_string())?;
    Ok(XChaCha20Poly1305::new(&key.into()))
}

fn read(file: &Path, passphrase: &Secret) -> Result<BTreeMap<String, String>, BadPassphrase> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(BadPassphrase::File(error.to_string())),
    };
    let head = MAGIC.len() + SALT + NONCE;
    if bytes.len() < head || !bytes.starts_with(MAGIC) {
        return Err(BadPassphrase::File("it is not a sealed file of Tocsin".into()));
    }
    let (head, sealed) = bytes.split_at(head);
    let cipher = cipher(passphrase, &head[MAGIC.len()..MAGIC.len() + SALT]).map_err(BadPassphrase::File)?;
    let nonce = XNonce::try_from(&head[MAGIC.len() + SALT..]).map_err(|_| BadPassphrase::Wrong)?;
    let plain =
        cipher.decrypt(&nonce, Payload { msg: sealed, aad: head }).map_err(|_| BadPassphrase::Wrong)?;
    serde_json::from_slice(&plain).map_err(|_| BadPassphrase::Wrong)
}

fn write(file: &Path, passphrase: &Secret, content: &BTreeMap<String, String>) -> Result<(), String> {
    let mut head = MAGIC.to_vec();
    head.extend(rand::rng().random::<[u8; SALT]>());
    let nonce: [u8; NONCE] = rand::rng().random();
    let cipher = cipher(passphrase, &head[MAGIC.len()..])?;
    head.extend(nonce);
    let plain = serde_json::to_vec(content).map_err(|error| error.to_string())?;
    let sealed = cipher
        .encrypt(&nonce.into(), Payload { msg: &plain, aad: &head })
        .map_err(|error| error.to_string())?;
    store(file, &[&head, &sealed]).map_err(|error| error.to_string())
}

/// Puts a new file in place of the old one, or leaves the old one as it is.
fn store(file: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir)?;
    let draft = file.with_extension(format!("new.{:016x}", rand::rng().random::<u64>()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(&draft)?;
    let mut replace = || -> io::Result<()> {
        parts.iter().try_for_each(|part| new.write_all(part))?;
        new.sync_all()?;
        fs::rename(&draft, file)
    };
    replace().inspect_err(|_| drop(fs::remove_file(&draft)))?;
    // A rename is in the directory, and that has not been written yet.
    #[cfg(unix)]
    fs::File::open(dir)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "tcs_canary";

    #[tokio::test]
    async fn what_is_sealed_opens_with_its_passphrase_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vault.bin");
        let open = |words: &str| Sealed::open(file.clone(), words.into());
        assert!(matches!(open("short").await, Err(BadPassphrase::Short)));
        let vault = open("correct horse").await.unwrap();
        vault.set("p/token", &Secret::new(CANARY)).await.unwrap();
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
        assert!(matches!(open("wrong horse").await, Err(BadPassphrase::Wrong)));
        let again = open("correct horse").await.unwrap();
        assert_eq!(again.get("p/token").await.unwrap(), Some(Secret::new(CANARY)));
        again.delete("p/token").await.unwrap();
        assert_eq!(open("correct horse").await.unwrap().get("p/token").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_stored_at_once_is_all_there() {
        const AT_ONCE: usize = 8;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vault.bin");
        let vault = Arc::new(Sealed::open(file.clone(), "correct horse".into()).await.unwrap());
        let mut setting = tokio::task::JoinSet::new();
        for number in 0..AT_ONCE {
            let vault = Arc::clone(&vault);
            setting.spawn(async move { vault.set(&format!("p/{number}"), &Secret::new(CANARY)).await });
        }
        for result in setting.join_all().await {
            result.unwrap();
        }
        let again = Sealed::open(file, "correct horse".into()).await.unwrap();
        for number in 0..AT_ONCE {
            assert!(again.get(&format!("p/{number}")).await.unwrap().is_some(), "p/{number} is lost");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a draft stayed");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data/vault.bin");
        let vault = Sealed::open(file.clone(), "correct horse".into()).await.unwrap();
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file.parent().unwrap(), "in the way").unwrap();
        vault.set("p/token", &Secret::new(CANARY)).await.unwrap_err();
        assert_eq!(vault.get("p/token").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_changed_byte_anywhere_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vault.bin");
        Sealed::open(file.clone(), "correct horse".into()).await.unwrap();
        let good = fs::read(&file).unwrap();
        for position in [8, 8 + SALT, good.len() - 1] {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs::write(&file, &bad).unwrap();
            assert!(Sealed::open(file.clone(), "correct horse".into()).await.is_err(), "byte {position}");
        }
    }
}
