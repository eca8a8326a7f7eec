//! Times our workloads, as `serve` says; `--list` prints the rows of the table instead.
#![deny(unsafe_code)]

mod cases;
mod serve;
mod timing;

fn main() -> std::io::Result<()> {
    if std::env::args().any(|a| a == "--list") {
        for row in cases::ROWS {
            let memory = row.memory.map_or(String::new(), |m| format!(",\"memory\":{m}"));
            println!("{{\"case\":\"{}\",\"budget\":{}{memory}}}", row.name, row.budget);
        }
        return Ok(());
    }
    serve::serve(|name| cases::find(name).map(|case| (case.run, case.flops, case.bytes)))
}
