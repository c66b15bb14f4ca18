//! A network namespace for one test, in which the fixed ports of etcd and Kubernetes are free.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::finish;

/// The addresses of the nodes. kubeadm refuses a loopback address.
pub const NODE_ADDRESSES: [&str; 3] = ["10.77.0.10", "10.77.0.11", "10.77.0.12"];

/// The namespace. It is deleted when this value is dropped.
#[derive(Debug)]
pub struct Network {
    name: String,
}

impl Network {
    /// Makes a namespace and moves the calling thread into it. Threads and processes that this thread starts later are
    /// in the namespace too.
    ///
    /// # Panics
    /// If it does not run as root.
    pub fn enter() -> Self {
        static ENTERED: AtomicU32 = AtomicU32::new(0);
        let name = format!("naxos-{}-{}", std::process::id(), ENTERED.fetch_add(1, Relaxed));
        ip(&format!("netns add {name}"));
        let network = Network { name };
        let path = format!("/run/netns/{}", network.name);
        let file = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .unwrap_or_else(|e| panic!("enter {path}: {e}"));
        ip("link set lo up");
        for address in NODE_ADDRESSES {
            ip(&format!("addr add {address}/32 dev lo"));
        }
        ip("route add default dev lo");
        network
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut command = Command::new("ip");
        command.args(["netns", "del", &self.name]);
        finish(command, "");
    }
}

fn ip(arguments: &str) {
    let mut command = Command::new("ip");
    command.args(arguments.split(' '));
    let ended = finish(command, "");
    assert!(ended.success, "ip {arguments}: {}", ended.stderr);
}
