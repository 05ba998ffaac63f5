// The targets that the package carries binaries for. `triple` is Zig's name; 2.28 and 11.0 are the glibc and the macOS
// that Node itself asks for. `libraries` is all that a binary may need of a system.
const glibc = ['libc.so.6', 'libm.so.6', 'libpthread.so.0', 'libdl.so.2', 'librt.so.1']
const musl = ['libc.so']
const windows = /^(kernel32|ntdll|advapi32|bcrypt)\.dll$|^api-ms-win-crt-[-\w]+\.dll$/i
const macos = ['/usr/lib/libSystem.B.dylib']

export const targets = {
  'linux-x64': { triple: 'x86_64-linux-gnu.2.28', libraries: [...glibc, 'ld-linux-x86-64.so.2'], glibc: '2.28' },
  'linux-arm64': { triple: 'aarch64-linux-gnu.2.28', libraries: [...glibc, 'ld-linux-aarch64.so.1'], glibc: '2.28' },
  'linux-x64-musl': { triple: 'x86_64-linux-musl', libraries: musl },
  'linux-arm64-musl': { triple: 'aarch64-linux-musl', libraries: musl },
  'win32-x64': { triple: 'x86_64-windows-gnu', libraries: windows },
  'darwin-arm64': { triple: 'aarch64-macos.11.0', libraries: macos },
  'darwin-x64': { triple: 'x86_64-macos.11.0', libraries: macos },
}

/** Bytes of one stripped binary, and of all of them. */
export const limits = { each: 2 ** 20, all: 6.5 * 2 ** 20 }
