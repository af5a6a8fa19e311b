use syn::Result;
use syn::parse::{Parse, ParseStream};

/// The arguments of the attribute: there are none.
pub(crate) struct Args;

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Self);
        }
        Err(input.error(
            "`#[transform]` takes no arguments: which objects it gets, and with which settings, \
             is said by its route",
        ))
    }
}
