use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Error, FnArg, GenericParam, Item, ItemFn, Result, ReturnType, Safety, Signature, Type};

/// What a transform looks like, for messages.
const EXPECTED: &str = "fn name(object: &Object) -> Result<Entries>";

/// A function that can be a transform, as far as its signature shows.
pub(crate) struct Transform {
    pub(crate) function: ItemFn,
}

impl Parse for Transform {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let function = match input.parse::<Item>()? {
            Item::Fn(function) => function,
            other => {
                let message = format!("`#[transform]` goes on a function: `{EXPECTED}`");
                return Err(at_start(&other, message));
            }
        };
        check(&function.sig)?;
        Ok(Self { function })
    }
}

fn check(signature: &Signature) -> Result<()> {
    check_qualifiers(signature)?;
    check_generics(signature)?;
    check_arguments(signature)?;
    match &signature.output {
        ReturnType::Type(..) => Ok(()),
        ReturnType::Default => Err(Error::new_spanned(
            &signature.ident,
            format!("a transform returns its entries: `{EXPECTED}`"),
        )),
    }
}

fn check_qualifiers(signature: &Signature) -> Result<()> {
    if let Some(token) = &signature.asyncness {
        let message =
            "a transform is not async: it has everything it needs, and nothing to wait for";
        return Err(Error::new_spanned(token, message));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new_spanned(token, "a transform is a safe function"));
    }
    if let Some(abi) = &signature.abi {
        let message = "a transform is a plain Rust function: the attribute exports it";
        return Err(Error::new_spanned(abi, message));
    }
    Ok(())
}

fn check_generics(signature: &Signature) -> Result<()> {
    let generic = signature
        .generics
        .params
        .iter()
        .find(|param| !is_lifetime(param));
    match generic {
        Some(param) => {
            let message = "a transform has no generic parameters: nobody could choose them";
            Err(Error::new_spanned(param, message))
        }
        None => Ok(()),
    }
}

fn is_lifetime(param: &GenericParam) -> bool {
    matches!(param, GenericParam::Lifetime(_))
}

fn check_arguments(signature: &Signature) -> Result<()> {
    let mut arguments = signature.inputs.iter();
    let Some(first) = arguments.next() else {
        let message = format!("a transform takes the object: `{EXPECTED}`");
        return Err(Error::new_spanned(&signature.ident, message));
    };
    let object = match first {
        FnArg::Typed(object) => object,
        FnArg::Receiver(receiver) => {
            let message = format!("a transform is a free function without `self`: `{EXPECTED}`");
            return Err(Error::new_spanned(receiver, message));
        }
    };
    match object.ty.as_ref() {
        Type::Reference(reference) if reference.mutability.is_none() => {}
        other => {
            let message = "a transform borrows the object: `&Object`";
            return Err(Error::new_spanned(other, message));
        }
    }
    match arguments.next() {
        None => Ok(()),
        Some(second) => {
            let message = "a transform takes the object and nothing else: \
                           for settings there is `redis_sync_guest::settings`";
            Err(Error::new_spanned(second, message))
        }
    }
}

/// An error at the first token of an item, where the whole item would be too much to underline.
fn at_start(item: &Item, message: String) -> Error {
    match item.to_token_stream().into_iter().next() {
        Some(token) => Error::new(token.span(), message),
        None => Error::new_spanned(item, message),
    }
}
