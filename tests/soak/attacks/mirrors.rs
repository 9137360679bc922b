//! Mirrors that lead elsewhere, send anything or never end, on loopback alone.

use super::Attack;

#[path = "../../readers/fetch/server.rs"]
#[allow(dead_code)]
mod server;
use server::{End, Reply, Server};

/// A fetch from a mirror that answers every request so.
fn fetch(name: &str, answer: impl Fn(&server::Request) -> Reply + Send + Sync + 'static) -> Attack {
    let url = Server::new(answer).url;
    Attack::new(format!("mirror: {name}"), &format!("data fetch kmnist --data-dir d --mirror {url}"), |_| {}).refused()
}

/// All mirrors.
pub fn attacks() -> Vec<Attack> {
    vec![
        fetch("redirects in a circle", |request| Reply::redirect(&request.path)),
        fetch("redirects to a file", |_| Reply::redirect("file:///etc/passwd")),
        fetch("redirects to a hostile name", |_| Reply::redirect("/a%1b[31m%0aforged")),
        fetch("page of HTML", |_| Reply::ok(b"<html>forged\n\x1b[31m</html>")),
        fetch("claims a huge file", |_| Reply::ok(b"ab").header("Content-Length", "18446744073709551615")),
        fetch("gzip of zeros", |_| Reply::ok(&super::bombs::gzip(&vec![0; 1 << 20], 16))),
        fetch("header without end", |_| Reply::ok(b"").header("Location", &"x".repeat(1 << 20))),
        fetch("hangs", |_| Reply::ok(&[0; 100]).ends_after(20, End::Hang)).slow(),
        fetch("is silent", |_| Reply::ok(b"").ends_after(0, End::Silent)).slow(),
    ]
}
