//! Where a tensor's memory is. Only the CPU exists now; the type is here so that programs need not change later.

use crate::error::Error;

/// A compute device, as in `torch.device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Device {
    /// The host processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU by index. It can be named but not used: see [`Device::is_available`].
    Cuda(usize),
}

impl Device {
    /// Whether tensors can be placed on this device in this build.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Device;
    /// let device = if Device::Cuda(0).is_available() { Device::Cuda(0) } else { Device::Cpu };
    /// assert_eq!(device, Device::Cpu);
    /// ```
    pub fn is_available(self) -> bool {
        self == Device::Cpu
    }

    /// The number of accelerators, as `torch.cuda.device_count()`: always 0 now.
    pub fn device_count() -> usize {
        0
    }

    /// Fails with a clear message if the device cannot be used.
    ///
    /// # Errors
    /// [`Error::DeviceUnavailable`].
    pub fn check(self) -> Result<Device, Error> {
        if self.is_available() { Ok(self) } else { Err(Error::DeviceUnavailable(self)) }
    }
}

impl std::fmt::Display for Device {
    /// `cpu` or `cuda:0`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl std::str::FromStr for Device {
    type Err = Error;

    /// Reads `cpu`, `cpu:0`, `cuda` or `cuda:N`.
    fn from_str(text: &str) -> Result<Device, Error> {
        let (kind, index) = text.split_once(':').unwrap_or((text, "0"));
        match (kind, index.parse()) {
            ("cpu", Ok(0)) => Ok(Device::Cpu),
            ("cuda", Ok(index)) => Ok(Device::Cuda(index)),
            _ => Err(Error::UnknownDevice(text.to_owned())),
        }
    }
}
