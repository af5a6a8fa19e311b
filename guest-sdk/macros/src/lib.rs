//! The `#[transform]` attribute of `redis-sync-guest`, which documents and re-exports it.
//!
//! The attribute is thin: `parse` checks that the function can be a transform and reports at the
//! token that is in the way, `expand` leaves the function as it is and hands its name to the SDK.

use proc_macro::TokenStream;
use quote::quote;

use crate::args::Args;
use crate::expand::expand;

mod args;
mod expand;
mod parse;

/// See `redis_sync_guest::transform`.
#[proc_macro_attribute]
pub fn transform(args: TokenStream, input: TokenStream) -> TokenStream {
    match syn::parse(args).and_then(|Args| syn::parse(input.clone())) {
        Ok(transform) => expand(&transform).into(),
        Err(error) => with_error(input, &error),
    }
}

/// What was there and the error, so that no other errors follow from what would be missing.
fn with_error(input: TokenStream, error: &syn::Error) -> TokenStream {
    let input = proc_macro2::TokenStream::from(input);
    let error = error.to_compile_error();
    quote! { #input #error }.into()
}
