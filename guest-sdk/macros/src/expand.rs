use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::parse::Transform;

/// The function as it is, and what makes it the transform of its crate.
///
/// All of it has the place of the function's name, where errors of its types are then reported.
pub(crate) fn expand(transform: &Transform) -> TokenStream {
    let function = &transform.function;
    let name = &function.sig.ident;
    let only_one = only_one(transform);
    let export = quote_spanned! {name.span()=>
        ::redis_sync_guest::__export!(#name);
    };
    quote! {
        #function
        #only_one
        #export
    }
}

/// An exported macro lands in the crate's root wherever it is defined, and a second one of its
/// name there is an error at both places. So its name is the message.
fn only_one(transform: &Transform) -> TokenStream {
    let span = transform.function.sig.ident.span();
    quote_spanned! {span=>
        #[doc(hidden)]
        #[macro_export]
        macro_rules! a_crate_has_only_one_transform {
            () => {};
        }
    }
}
