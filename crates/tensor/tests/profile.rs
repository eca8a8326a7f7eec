//! Profiles: what is recorded, how it nests, what is not, and that the trace is JSON.

use wengert_tensor::profile::{Report, record};
use wengert_tensor::{BINARY, COMPARE, Conv2dOptions, DType, Tensor, UNARY, conv, manual_seed, profile, randn};

fn names(report: &Report) -> Vec<&str> {
    report.events().iter().map(|event| &*event.name).collect()
}

/// An event's name with those that it lies in, outermost first.
fn path(report: &Report, mut at: usize) -> String {
    let mut path = report.events()[at].name.to_string();
    while let Some(outer) = report.events()[at].parent {
        path = format!("{}/{path}", report.events()[outer].name);
        at = outer;
    }
    path
}

#[test]
fn every_row_of_the_tables_is_recorded_by_its_name() {
    let (a, b) = (Tensor::full([3], 0.5, DType::F32), Tensor::full([3], 2.0, DType::F32));
    for (name, f) in UNARY {
        let (_, report) = profile(|| f(&a));
        assert_eq!(names(&report).first(), Some(name));
    }
    for (name, f) in BINARY.iter().chain(COMPARE).filter(|(name, _)| *name != "pow_tensor") {
        let (_, report) = profile(|| f(&a, &b));
        assert_eq!(names(&report).first(), Some(name));
    }
}

#[test]
fn operations_nest_and_their_times_add_up() {
    let (x, w, b) = (randn([4, 8]), randn([5, 8]), randn([5]));
    let (_, report) = profile(|| x.linear(&w, Some(&b)).relu());
    let paths: Vec<String> = (0..report.events().len()).map(|at| path(&report, at)).collect();
    for expected in ["linear", "linear/t", "linear/addmm", "linear/addmm/expand", "relu"] {
        assert!(paths.iter().any(|path| path == expected), "{expected} is not in {paths:?}");
    }
    for event in report.events() {
        let Some(outer) = event.parent.map(|at| &report.events()[at]) else { continue };
        assert!(outer.start <= event.start && event.start + event.duration <= outer.start + outer.duration);
    }
    let top: std::time::Duration = report.events().iter().filter(|e| e.parent.is_none()).map(|e| e.duration).sum();
    assert_eq!(report.self_time(), top);
    assert!(report.wall_time() >= top);
    assert!(report.rows().is_sorted_by(|a, b| a.self_time >= b.self_time));
}

#[test]
fn operations_are_counted_as_pytorch_counts_them() {
    manual_seed(0);
    // A LeNet's first layers on 32 images: `with_flops=True` reports these numbers.
    let (x, w) = (randn([32, 1, 28, 28]), randn([6, 1, 5, 5]));
    let options = Conv2dOptions::default();
    let (y, report) = profile(|| x.conv2d(&w, None, &options));
    assert_eq!(report.row("conv2d").expect("ran").flops, 5_529_600);
    let (_, report) = profile(|| {
        conv::conv2d_input_grad([32, 1, 28, 28], &w, &y, &options);
        conv::conv2d_weight_grad(&x, [6, 1, 5, 5], &y, &options);
    });
    assert_eq!(report.rows().iter().map(|row| row.flops).sum::<u64>(), 2 * 5_529_600);
    let (x, w, b) = (randn([32, 864]), randn([10, 864]), randn([10]));
    let (_, report) = profile(|| x.linear(&w, Some(&b)));
    assert_eq!(report.row("addmm").expect("ran").flops, 552_960);
    assert_eq!(report.row("linear").expect("ran").flops, 552_960);
    let (_, report) = profile(|| randn([2, 3, 4, 5]).matmul(&randn([5, 6])));
    assert_eq!(report.row("matmul").expect("ran").flops, 2 * 24 * 5 * 6);
    // Halves are computed as f32 and count once.
    let (x, w) = (x.to(DType::BF16), w.to(DType::BF16));
    let (_, report) = profile(|| x.linear(&w, None));
    assert_eq!(report.row("linear").expect("ran").flops, 552_960);
    let (_, report) = profile(|| randn([7]).mul(randn([2, 7])));
    assert_eq!(report.row("mul").expect("ran").flops, 14);
}

#[test]
fn memory_is_what_tensors_got_less_what_they_gave_back() {
    let x = randn([1024]);
    let (y, report) = profile(|| x.exp());
    let row = report.row("exp").expect("ran");
    assert_eq!((row.bytes, row.self_bytes), (4096, 4096));
    let (_, report) = profile(|| record("drop", || drop(y)));
    assert_eq!(report.row("drop").expect("ran").bytes, -4096);
    let (_, report) = profile(|| record("both", || drop(x.exp())));
    let row = report.row("both").expect("ran");
    assert_eq!((row.bytes, row.self_bytes), (0, -4096));
    let (_, report) = profile(|| x.reshape([32, 32]));
    assert_eq!(report.row("reshape").expect("ran").bytes, 0);
}

#[test]
fn nothing_is_recorded_outside_or_on_other_threads() {
    let x = randn([3]);
    let _ = x.exp();
    let ((), report) = profile(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| x.exp());
        });
    });
    let _ = x.exp();
    assert_eq!((report.events().len(), report.rows().len()), (0, 0));
    assert!(report.to_string().ends_with('s'));
    let (_, report) = profile(|| x.exp());
    assert_eq!(names(&report), ["exp"]);
}

#[test]
fn profiles_may_lie_inside_one_another() {
    let x = randn([3]);
    let ((_, inner), outer) = profile(|| {
        let _ = x.exp();
        record("step", || profile(|| x.linear(&randn([2, 3]), None)))
    });
    assert_eq!(names(&outer)[..2], ["exp", "step"]);
    assert_eq!(names(&inner)[..], names(&outer)[2..]);
    assert_eq!(inner.events()[0].parent, None);
    assert_eq!(path(&inner, names(&inner).iter().position(|&name| name == "linear").expect("ran")), "linear");
}

#[test]
fn a_panic_ends_the_profile() {
    let x = randn([3]);
    let caught = std::panic::catch_unwind(|| profile(|| x.mm(&x)));
    assert!(caught.is_err());
    let (_, report) = profile(|| x.exp());
    assert_eq!(names(&report), ["exp"]);
    // One that is caught inside ends what it went through.
    let (_, report) = profile(|| {
        let _ = std::panic::catch_unwind(|| record("fails", || x.mm(&x)));
        x.exp()
    });
    assert_eq!(names(&report), ["fails", "mm", "exp"]);
    assert_eq!(path(&report, 2), "exp");
}

#[test]
fn the_trace_is_json_of_complete_events() {
    let (_, report) = profile(|| record("say \"hi\"\\\n\u{1}", || randn([2, 3]).matmul(&randn([3, 2]))));
    let mut text = Vec::new();
    report.write_trace(&mut text).expect("a vector takes everything");
    let trace: serde_json::Value = serde_json::from_slice(&text).expect("the trace is JSON");
    let events = trace["traceEvents"].as_array().expect("a list of events");
    assert_eq!(events.len(), report.events().len());
    assert_eq!(events[0]["name"], "say \"hi\"\\\n\u{1}");
    for (event, own) in events.iter().zip(report.events()) {
        assert_eq!(event["ph"], "X");
        assert_eq!(event["name"], *own.name);
        let micros = |key: &str| event[key].as_f64().expect("a number");
        assert!((micros("ts") - own.start.as_nanos() as f64 / 1e3).abs() < 1e-3);
        assert!((micros("dur") - own.duration.as_nanos() as f64 / 1e3).abs() < 1e-3);
        assert!(event["pid"].is_i64() && event["tid"].is_i64());
    }
    let flops: i64 = events.iter().map(|event| event["args"]["self flops"].as_i64().expect("a number")).sum();
    assert_eq!(flops, 2 * 2 * 3 * 2);

    let file = std::env::temp_dir().join(format!("wengert-trace-{}.json", std::process::id()));
    report.save_trace(&file).expect("the folder for temporary files takes one");
    assert_eq!(std::fs::read(&file).expect("just written"), text);
    std::fs::remove_file(&file).expect("just written");
    assert!(report.save_trace(file.join("no folder")).is_err());
}
