//! The IDX format of MNIST and its relatives: a magic number with type and rank, big-endian sizes, then the elements.

use crate::Error;
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;
use wengert_tensor::{DType, Tensor};

/// The largest number of bytes that a compressed file may become, for a file of `len` bytes: deflate cannot do better
/// than 1032 to 1.
fn inflated_limit(len: usize) -> u64 {
    (len as u64).saturating_mul(1032) + 1024
}

/// Reads an IDX file, gzip or not, as a tensor of its own dtype (`u8`, `i8`, `i16`, `i32`, `f32` or `f64`).
///
/// # Errors
/// If the file cannot be read, or its size is not what its header says.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor, Error> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    parse(&bytes, path)
}

/// Reads IDX data from memory, gzip or not; `name` stands for the file in errors.
///
/// # Errors
/// If the data is damaged or its length is not what its header says.
pub fn parse(bytes: &[u8], name: impl AsRef<Path>) -> Result<Tensor, Error> {
    let path = name.as_ref();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return parse_plain(bytes, path);
    }
    let mut plain = Vec::new();
    GzDecoder::new(bytes)
        .take(inflated_limit(bytes.len()))
        .read_to_end(&mut plain)
        .map_err(|source| Error::Gzip { path: path.to_owned(), source })?;
    parse_plain(&plain, path)
}

fn parse_plain(bytes: &[u8], path: &Path) -> Result<Tensor, Error> {
    let fail = |what: String| Error::Format { path: path.to_owned(), what };
    let Some((&[zero0, zero1, code, rank], rest)) = bytes.split_first_chunk::<4>() else {
        return Err(fail(format!("an IDX file has at least 4 bytes, this one {}", bytes.len())));
    };
    if (zero0, zero1) != (0, 0) {
        return Err(fail("not an IDX file: it does not begin with two zero bytes".to_owned()));
    }
    let dtype = match code {
        0x08 => DType::U8,
        0x09 => DType::I8,
        0x0b => DType::I16,
        0x0c => DType::I32,
        0x0d => DType::F32,
        0x0e => DType::F64,
        other => return Err(fail(format!("unknown IDX element type 0x{other:02x}"))),
    };
    let rank = rank as usize;
    if rank > wengert_tensor::MAX_RANK || rest.len() < rank * 4 {
        return Err(fail(format!("the header says {rank} axes but the file ends before their sizes")));
    }
    let (sizes, data) = rest.split_at(rank * 4);
    let shape: Vec<usize> =
        sizes.chunks_exact(4).map(|s| u32::from_be_bytes([s[0], s[1], s[2], s[3]]) as usize).collect();
    let expected = shape.iter().try_fold(dtype.size(), |a, &s| a.checked_mul(s));
    if expected != Some(data.len()) {
        return Err(fail(format!("shape {shape:?} of {dtype} does not fit {} bytes of data", data.len())));
    }
    let mut native = data.to_vec();
    if cfg!(target_endian = "little") {
        native.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    }
    Tensor::from_bytes(dtype, &shape, &native).map_err(|error| fail(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_big_endian_and_sizes_are_checked() {
        let mut file = vec![0, 0, 0x0b, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x00, 0xff, 0xfe];
        let x = parse(&file, "test").unwrap();
        assert_eq!((x.shape(), x.to_vec::<i16>()), (&[1, 2][..], vec![256, -2]));
        file.pop();
        assert!(parse(&file, "test").unwrap_err().to_string().contains("does not fit 3 bytes"));
        assert!(parse(&[0, 0, 8, 3, 0, 0], "test").is_err());
        assert!(parse(&[0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255], "test").is_err());
        assert!(parse(&[1, 0, 8, 0], "test").is_err());
        assert!(parse(&[0x1f, 0x8b, 8, 0, 0], "test").is_err());
        assert!(read("/no/such/file").unwrap_err().to_string().contains("/no/such/file"));
    }
}
