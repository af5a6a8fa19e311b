//! The `#[transform]` attribute of `redis-sync-guest`, which documents and re-exports it.
//!
//! The attribute is thin: [`parse`] checks that the function can be a transform and reports at the
//! token that is in the way, [`expand`] leaves the function as it is and hands its name to the SDK.

use proc_macro::TokenStream;
use syn::parse_macro_input;

use crate::args::Args;
use crate::expand::expand;
use crate::parse::Transform;

mod args;
mod expand;
mod parse;

/// Makes a function the plugin's transform.
///
/// It documents itself in `redis-sync-guest`, under whose name authors use it.
#[proc_macro_attribute]
pub fn transform(args: TokenStream, input: TokenStream) -> TokenStream {
    parse_macro_input!(args as Args);
    let transform = parse_macro_input!(input as Transform);
    expand(&transform).into()
}
