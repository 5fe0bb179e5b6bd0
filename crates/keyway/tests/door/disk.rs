//! A full disk and a read-only one: 503, one clear line, nothing half-written, and back by itself.

use std::path::Path;
use std::process::Command;

use http::StatusCode;
use keyway_testkit::{Gateway, eventually};
use serde_json::json;

use crate::setup;

/// A file system of its own, small enough to fill. `None` where this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(directory.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(directory));
        }
        println!("skipped: this user may not mount a file system");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "{options}");
    }

    fn fill(&self) {
        use std::io::Write;
        let mut ballast = std::fs::File::create(self.path().join("ballast")).expect("a file");
        while ballast.write_all(&[0; 4096]).is_ok() {}
        while ballast.write_all(&[0]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.path().join("ballast")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_heals() {
    let Some(disk) = SmallDisk::mount() else { return };
    let gateway = setup().start_in(&disk.path().join("data")).await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "before", "limit": 1})).await;
    let client = gateway.client(&string);
    assert_eq!(client.chat("keyway/echo", "hello").await.status, StatusCode::OK);
    disk.fill();
    unavailable(&gateway, &string).await;
    disk.free();
    heals(&gateway, &string).await;
}

#[tokio::test]
async fn a_start_on_a_read_only_disk_says_so() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data_dir = disk.path().join("data");
    setup().start_in(&data_dir).await.terminate().await;
    disk.remount("ro");
    let output = Command::new(env!("CARGO_BIN_EXE_keyway"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data_dir)
        .output()
        .expect("the binary runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(said.contains(data_dir.to_str().expect("a path")), "{said}");
}

#[tokio::test]
async fn a_read_only_disk_refuses_and_heals() {
    let Some(disk) = SmallDisk::mount() else { return };
    let gateway = setup().start_in(&disk.path().join("data")).await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "before", "limit": 1})).await;
    let client = gateway.client(&string);
    assert_eq!(client.chat("keyway/echo", "hello").await.status, StatusCode::OK);
    let read_only = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status();
    if !read_only.is_ok_and(|status| status.success()) {
        // The store holds a file open for writing, which some systems do not take away from it.
        println!("skipped: this system does not make a disk in use read-only");
        return;
    }
    unavailable(&gateway, &string).await;
    disk.remount("rw");
    heals(&gateway, &string).await;
}

/// Creations and completions are refused, nothing is half-written, and the log says so once.
async fn unavailable(gateway: &Gateway, string: &str) {
    let manager = gateway.manager();
    let reply = eventually("a creation is refused", async || {
        let reply = manager.post("/api/v1/keys", &json!({"name": "x".repeat(256)})).await;
        (reply.status != StatusCode::CREATED).then_some(reply)
    })
    .await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.error().contains("the store cannot be written"), "{}", reply.error());
    assert!(reply.headers.contains_key("retry-after"));
    let keys = count(gateway).await;
    for _ in 0..20 {
        let reply = manager.post("/api/v1/keys", &json!({"name": "x".repeat(256)})).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let reply = gateway.client(string).chat("keyway/echo", "hello").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(count(gateway).await, keys, "nothing is half-written");
    let log = gateway.log();
    let told = log.lines().filter(|line| !line.contains(" DEBUG ") && !line.contains(" TRACE "));
    let told = told.filter(|line| line.contains("cannot be written")).count();
    assert_eq!(told, 1, "one clear line:\n{log}");
}

async fn heals(gateway: &Gateway, string: &str) {
    let client = gateway.client(string);
    eventually("it serves again", async || {
        let status = client.chat("keyway/echo", "hello").await.status;
        (status == StatusCode::OK).then_some(())
    })
    .await;
    let made = gateway.manager().post("/api/v1/keys", &json!({"name": "after"})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(gateway.log().matches("the store can be written again").count(), 1);
}

async fn count(gateway: &Gateway) -> usize {
    let list = gateway.manager().get("/api/v1/keys?limit=1000").await.json();
    list["data"].as_array().expect("a list").len()
}
