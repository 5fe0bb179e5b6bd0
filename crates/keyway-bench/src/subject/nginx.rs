//! nginx as a plain reverse proxy, as one sets it up before a model's server: connections to it are
//! kept, and streams go through unbuffered.

use std::path::Path;

use super::program::{Program, unused_authority};

pub(super) async fn start(binary: &Path, provider: &str) -> Program {
    let place = tempfile::tempdir().expect("a directory");
    let authority = unused_authority();
    let config = config(&authority, provider);
    std::fs::write(place.path().join("nginx.conf"), config).expect("a configuration");
    let prefix = format!("{}/", place.path().display());
    let arguments = ["-p", &prefix, "-c", "nginx.conf", "-e", "error.log"];
    Program::start(binary, authority, place, &arguments).await
}

fn config(authority: &str, provider: &str) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "daemon off; {user} worker_processes auto; worker_rlimit_nofile 65536; pid nginx.pid;
         events {{ worker_connections 16384; }}
         http {{
           access_log off; tcp_nodelay on; keepalive_requests 1000000000;
           client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;
           upstream provider {{
             server {provider}; keepalive 512; keepalive_requests 1000000000;
           }}
           server {{
             listen {authority} backlog=16384;
             location / {{
               proxy_pass http://provider; proxy_http_version 1.1;
               proxy_set_header Connection \"\"; proxy_buffering off;
             }}
           }}
         }}\n"
    )
}
