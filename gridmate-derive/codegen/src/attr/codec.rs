//! How a field travels: the keys that datasets, marshaled fields and RPC arguments share.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Path, Token, parenthesized};

use super::{Given, set, set_count, set_flag};

/// The keys as given; at most one may be, which is for `check` to say.
#[derive(Default)]
pub(crate) struct CodecAttr {
    pub(crate) skip: Option<Given<()>>,
    pub(crate) with: Option<Given<With>>,
    pub(crate) quantize: Option<Given<Quantize>>,
    pub(crate) bits: Option<Given<Expr>>,
    pub(crate) max_len: Option<Given<Expr>>,
    pub(crate) entity: Option<Given<()>>,
    pub(crate) predict: Option<Given<()>>,
}

impl CodecAttr {
    /// Reads one of `skip`, `with`, `quantize`, `bits`, `max_len`, `entity`, `predict`.
    pub(super) fn read_key(&mut self, name: &str, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name {
            "skip" => set_flag(&mut self.skip, key, input),
            "entity" => set_flag(&mut self.entity, key, input),
            "with" => set_value_as_is(&mut self.with, key, input),
            "quantize" => {
                let value = Quantize::parse_after(key, input)?;
                set(&mut self.quantize, key, value)
            }
            "predict" => set_predict(&mut self.predict, key, input),
            "bits" => set_count(&mut self.bits, key, 1..=64, input),
            _ => set_count(&mut self.max_len, key, 1..=1 << 24, input),
        }
    }
}

/// `predict = Linear`: a word of the grammar and not a value, because it names a wire format.
fn set_predict(slot: &mut Option<Given<()>>, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    const FORM: &str = "expected `predict = Linear`: there is no other guess";
    if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(key.span(), FORM));
    }
    let order: Path = input.parse().map_err(|error| syn::Error::new(error.span(), FORM))?;
    if !order.is_ident("Linear") {
        return Err(syn::Error::new_spanned(order, FORM));
    }
    set(slot, key, ())
}

/// `with = …` explains its own syntax; the generic "expected" would hide that.
fn set_value_as_is(slot: &mut Option<Given<With>>, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(key.span(), "expected `with = CODEC`"));
    }
    let value = input.parse()?;
    set(slot, key, value)
}

/// `with = EXPR`: a codec and, read off the expression, its type.
pub(crate) struct With {
    pub(crate) ty: TokenStream,
    pub(crate) value: TokenStream,
}

impl Parse for With {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let expr: Expr = input.parse()?;
        match type_of(&expr) {
            Some((ty, value)) => Ok(Self { ty, value }),
            None => Err(syn::Error::new_spanned(
                expr,
                "the codec's type cannot be read from this expression; write `EXPR as Type`",
            )),
        }
    }
}

/// The type and the value that an expression spells out, if it does.
fn type_of(expr: &Expr) -> Option<(TokenStream, TokenStream)> {
    match expr {
        Expr::Cast(cast) => {
            // `as` only names the type: a codec is no number, so the cast itself is left out.
            let (ty, value) = (&cast.ty, &cast.expr);
            Some((quote!(#ty), quote!(#value)))
        }
        Expr::Path(path) => {
            let ty = is_type_name(&path.path).then(|| quote!(#path))?;
            Some((ty, quote!(#path)))
        }
        Expr::Struct(lit) if lit.qself.is_none() => {
            let path = &lit.path;
            Some((quote!(#path), quote!(#lit)))
        }
        Expr::Call(call) => {
            let Expr::Path(func) = &*call.func else { return None };
            if func.qself.is_some() {
                return None;
            }
            let mut ty = func.path.clone();
            if !is_type_name(&ty) {
                ty.segments.pop();
                ty.segments.pop_punct();
                is_type_name(&ty).then_some(())?;
            }
            Some((quote!(#ty), quote!(#call)))
        }
        Expr::Group(group) => type_of(&group.expr),
        Expr::Paren(paren) => type_of(&paren.expr),
        _ => None,
    }
}

/// Whether a path ends like a type does: in an upper-case letter's word that is not all a constant's.
fn is_type_name(path: &Path) -> bool {
    let Some(last) = path.segments.last() else { return false };
    let name = last.ident.to_string();
    let constant = name.len() > 1 && !name.chars().any(char::is_lowercase) && name.contains('_');
    name.chars().next().is_some_and(char::is_uppercase) && !constant
}

/// `quantize(lo..=hi, step = s)` or `quantize(lo..=hi, bits = n)`.
pub(crate) struct Quantize {
    pub(crate) lo: Expr,
    pub(crate) hi: Expr,
    pub(crate) by: By,
}

/// What a range is divided by.
pub(crate) enum By {
    Step(Expr),
    Bits(Expr),
}

impl Quantize {
    fn parse_after(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        const FORM: &str = "expected `quantize(lo..=hi, step = s)` or `quantize(lo..=hi, bits = n)`";
        if !input.peek(syn::token::Paren) {
            return Err(syn::Error::new(key.span(), FORM));
        }
        let content;
        parenthesized!(content in input);
        Self::parse_parts(&content).map_err(|error| {
            // What is left would be a second error about the same mistake.
            let rest: syn::Result<TokenStream> = content.parse();
            drop(rest);
            syn::Error::new(error.span(), FORM)
        })
    }

    fn parse_parts(content: ParseStream<'_>) -> syn::Result<Self> {
        // By hand, token by token: whether syn reads `..=` as part of an expression depends on the features that other
        // crates in the build turn on.
        let mut lo = TokenStream::new();
        while !content.peek(Token![..=]) {
            if content.is_empty() || content.peek(Token![,]) {
                return Err(content.error("no range"));
            }
            content.parse::<TokenTree>()?.to_tokens(&mut lo);
        }
        if lo.is_empty() {
            return Err(content.error("nothing to start from"));
        }
        content.parse::<Token![..=]>()?;
        let lo = syn::parse2(lo)?;
        let hi = content.parse()?;
        content.parse::<Token![,]>()?;
        let by: Ident = content.parse()?;
        content.parse::<Token![=]>()?;
        let value = content.parse()?;
        let by = match by.to_string().as_str() {
            "step" => By::Step(value),
            "bits" => By::Bits(value),
            _ => return Err(syn::Error::new(by.span(), "neither step nor bits")),
        };
        content.parse::<Option<Token![,]>>()?;
        if content.is_empty() { Ok(Self { lo, hi, by }) } else { Err(content.error("more than one")) }
    }
}
