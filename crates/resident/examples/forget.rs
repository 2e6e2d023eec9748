//! Starts over for this user, as `tocsin reset` does it outside the directories: what the tests run on their desktop.
//! Prints a removed secret's name a line.

use tocsin_control::Paths;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths = Paths::from_variables(None, &|name| std::env::var_os(name))?;
    let forgotten = tocsin_resident::forget(&paths).await;
    #[expect(clippy::print_stdout, reason = "its answer")]
    for name in forgotten.secrets? {
        println!("{name}");
    }
    Ok(())
}
