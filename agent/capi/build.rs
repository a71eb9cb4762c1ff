//! What the linker must be told of the shared library.

fn main() {
    // One SONAME a major; -z nodelete, because code that runs on threads of ours can never be unmapped.
    for arg in ["-Wl,-soname,libserialnumberd.so.1", "-Wl,-z,nodelete"] {
        println!("cargo:rustc-cdylib-link-arg={arg}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
