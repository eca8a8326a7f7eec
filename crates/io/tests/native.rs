//! The native format: any value comes back as it was, damage is found, and what a later version adds is passed over.

use std::sync::Arc;
use wengert_io::tensor::{DType, Dict, DictKind, Object, Tensor, Value};

/// One value of every kind, with tensors that share memory in several ways.
fn sample() -> Value {
    let base = Tensor::from_vec((0..24).map(|i| i as f32).collect::<Vec<_>>(), [4, 6]);
    let object = Arc::new(Object {
        class: "my.Class".to_owned(),
        arguments: Some(vec![Value::from(1)]),
        attributes: [("inner", Value::from(&base))].into_iter().collect(),
    });
    let mut ordered = Dict { kind: DictKind::Ordered, ..Dict::default() };
    ordered.insert("a", 1);
    ordered.attributes.push(("_metadata".to_owned(), Value::None));
    let tensors = [
        DType::F64,
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::I64,
        DType::I32,
        DType::I16,
        DType::I8,
        DType::U8,
        DType::Bool,
    ]
    .map(|dtype| (dtype.name(), Value::from(base.to(dtype))));
    Value::dict([
        ("none", Value::None),
        ("bool", Value::from(true)),
        ("int", Value::from(-5)),
        ("big", Value::BigInt(vec![1; 12])),
        ("float", Value::from(0.1)),
        ("complex", Value::Complex(1.0, -2.0)),
        ("text", Value::from("größer")),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("bytearray", Value::ByteArray(vec![3])),
        ("tensors", Value::dict(tensors)),
        ("transposed", Value::from(base.t())),
        ("row", Value::from(base.select(0, 2))),
        ("scalar", Value::from(Tensor::zeros((), DType::F32))),
        ("empty", Value::from(Tensor::zeros([0, 3], DType::F64))),
        ("param", Value::Grad { tensor: Box::new(base), parameter: true, requires_grad: false }),
        ("list", Value::List(vec![Value::from(1), Value::Tuple(vec![]), Value::Set(vec![Value::from("x")])])),
        ("ordered", Value::Dict(ordered)),
        ("size", Value::Size(vec![2, 3])),
        ("dtype", Value::DType("float8_e5m2".to_owned())),
        ("device", Value::Device("cuda:1".to_owned())),
        ("object", Value::Object(object.clone())),
        ("again", Value::Object(object)),
    ])
}

#[test]
fn any_value_comes_back_as_it_was() {
    let value = sample();
    let bytes = wengert_io::to_native_bytes(&value).expect("any value can be saved");
    let again = wengert_io::from_bytes(&bytes).expect("just written");
    assert_eq!(again.to_string(), value.to_string());
    let tensor = |key: &str| again.get(key).and_then(Value::as_tensor).expect("a tensor");
    assert!(tensor("transposed").shares_storage(tensor("row")) && tensor("param").shares_storage(tensor("row")));
    assert_eq!(tensor("transposed").strides(), [1, 6]);
    let object = |key: &str| again.get(key).and_then(Value::as_object).expect("an object");
    assert!(Arc::ptr_eq(object("object"), object("again")));
    assert_eq!(wengert_io::to_native_bytes(&again).expect("as before"), bytes, "writing is deterministic");
}

#[test]
fn storages_begin_at_multiples_of_64_bytes() {
    let tensor = Tensor::from_vec(vec![1.5f64; 3], [3]);
    let bytes = wengert_io::to_native_bytes(&Value::List(vec![tensor.copy().into(), tensor.into()])).expect("writable");
    let places: Vec<usize> = (0..=bytes.len() - 8).filter(|&i| bytes[i..i + 8] == 1.5f64.to_le_bytes()).collect();
    assert_eq!(places.len(), 6);
    assert_eq!((places[0] % 64, places[3] % 64), (0, 0));
}

#[test]
fn every_damaged_byte_and_every_cut_is_found() {
    let value = Value::dict([("w", Value::from(Tensor::from_vec(vec![1.0f32; 40], [40]))), ("n", Value::from(3))]);
    let bytes = wengert_io::to_native_bytes(&value).expect("writable");
    for len in 0..bytes.len() {
        assert!(wengert_io::from_bytes(&bytes[..len]).is_err(), "cut to {len}");
    }
    let mut unnoticed = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        // Only the padding before the data is not covered by a checksum.
        if let Ok(read) = wengert_io::from_bytes(&damaged) {
            assert_eq!(bytes[at], 0, "byte {at}");
            assert_eq!(read.to_string(), value.to_string());
            unnoticed += 1;
        }
    }
    assert!(unnoticed < 64);
    let mut longer = bytes;
    longer.push(0);
    assert!(wengert_io::from_bytes(&longer).is_err());
}

/// A file with these versions and this header, its checksums right.
fn file(major: u16, header: &[u8]) -> Vec<u8> {
    let start = (40 + header.len()).next_multiple_of(64);
    let mut head = b"\x89WGT\r\n\x1a\n".to_vec();
    head.extend(major.to_le_bytes());
    head.extend([9, 0, 0, 0, 0, 0]);
    head.extend((start as u64).to_le_bytes());
    head.extend((header.len() as u64).to_le_bytes());
    head.extend(crc32fast::hash(header).to_le_bytes());
    head.extend(crc32fast::hash(&head).to_le_bytes());
    head.extend(header);
    head.resize(start, 0);
    head
}

#[test]
fn later_versions_are_passed_over_or_refused() {
    // Sections as (number, length, bytes): an unknown one, no storages, and the node Int(-3) with bytes behind it.
    let header = [&[3u8][..], &[77, 2, 1, 2], &[1, 1, 0], &[2, 5, 1, 2, 5, 99, 99]].concat();
    let value = wengert_io::from_bytes(&file(1, &header)).expect("a later minor version");
    assert_eq!(value.as_int(), Some(-3));
    let error = wengert_io::from_bytes(&file(2, &header)).expect_err("a later major version").to_string();
    assert!(error.contains("version 2 of the native format") && error.contains("update"), "{error}");
}

#[test]
fn hostile_headers_are_errors() {
    let nodes = |nodes: &[u8]| {
        let mut header = vec![2u8, 1, 1, 0, 2, nodes.len() as u8];
        header.extend(nodes);
        wengert_io::from_bytes(&file(1, &header))
    };
    // Node 11 is a list: of itself, of a later one, of one value twice.
    assert!(nodes(&[1, 11, 1, 0]).is_err());
    assert!(nodes(&[1, 11, 1, 9]).is_err());
    assert!(nodes(&[2, 0, 11, 2, 0, 0]).is_err());
    assert!(nodes(&[2, 0, 11, 1, 0]).is_ok());
    assert!(nodes(&[0]).is_err(), "no value");
    assert!(nodes(&[255, 255, 255, 255, 15, 0]).is_err(), "four billion values");
    assert!(nodes(&[1, 9, 0, 0, 0, 0]).is_err(), "a tensor without a storage");
    // Random headers under right checksums.
    let good = wengert_io::to_native_bytes(&sample()).expect("writable");
    let len = u64::from_le_bytes(good[24..32].try_into().expect("eight bytes")) as usize;
    let mut seed = 11u32;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=draw(3) {
            let at = 40 + draw(len);
            bytes[at] = draw(256) as u8;
        }
        let header = crc32fast::hash(&bytes[40..40 + len]).to_le_bytes();
        bytes[32..36].copy_from_slice(&header);
        let preamble = crc32fast::hash(&bytes[..36]).to_le_bytes();
        bytes[36..40].copy_from_slice(&preamble);
        let _ = wengert_io::from_bytes(&bytes);
    }
}

#[test]
fn deep_values_are_refused_and_shared_objects_do_not_explode() {
    let mut deep = Value::None;
    for _ in 0..300 {
        deep = Value::List(vec![deep]);
    }
    assert!(wengert_io::to_native_bytes(&deep).is_err());
    let mut shared = Value::None;
    for _ in 0..60 {
        let attributes = [("a", shared.clone()), ("b", shared)].into_iter().collect();
        shared = Value::Object(Arc::new(Object { class: "x.Y".to_owned(), arguments: None, attributes }));
    }
    let bytes = wengert_io::to_native_bytes(&shared).expect("each object is written once");
    assert!(wengert_io::from_bytes(&bytes).is_err(), "2^60 values when expanded");
}
