//! Methods as RPCs.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Member, Type, Visibility};

use super::{Arg, Codec, Crate, Field, Item, Method};
use crate::attr::{FieldAttr, RpcAttr};
use crate::check;
use crate::errors::Errors;
use crate::generics::Params;

/// The RPCs of a chunk type.
pub(crate) struct Rpcs {
    pub(crate) krate: Crate,
    /// What the block is compiled under.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) self_ty: TokenStream,
    pub(crate) rpcs: Vec<Rpc>,
}

/// One of them.
pub(crate) struct Rpc {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) vis: Visibility,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) reliable: bool,
    pub(crate) post_attached: bool,
    pub(crate) may_call: MayCall,
    pub(crate) relayed: bool,
    /// Calls a second and at once, of each member.
    pub(crate) rate: Option<(u16, u16)>,
    pub(crate) args: Vec<Field>,
    /// What it returns, unless that is nothing.
    pub(crate) returns: Option<Type>,
    /// Where the second parameter's type is: errors about the context go there.
    pub(crate) ctx: Span,
    /// Where the type is that it returns: errors about that go there.
    pub(crate) output: Span,
}

#[derive(Clone, Copy)]
pub(crate) enum MayCall {
    Anyone,
    Owner,
    Authority,
}

impl Rpcs {
    /// Nothing when the block is of a kind that no stub could help.
    pub(crate) fn read(item: Item, krate: Crate, errors: &mut Errors) -> Option<Self> {
        let Item { cfgs, generics, of_trait, self_ty, methods, misplaced } = item;
        for attr in misplaced {
            errors.at(attr, "`#[rpc]` goes on a method");
        }
        if let Some(of_trait) = of_trait {
            errors.at(of_trait, "`#[rpcs]` goes on a type's own impl block, not on a trait's");
            return None;
        }
        if !generics.params.is_empty() {
            errors.at(generics, "a replica chunk's type has no parameters, so neither has this impl block");
            return None;
        }
        let self_ty = self_ty.into_token_stream();
        let rpcs: Vec<_> = methods
            .into_iter()
            .enumerate()
            .filter_map(|(i, method)| Rpc::read(method, &i.to_string(), &self_ty, errors))
            .collect();
        check::rpc_count(&rpcs, errors);
        Some(Self { krate, cfgs, self_ty, rpcs })
    }
}

impl Rpc {
    fn read(method: Method, place: &str, self_ty: &TokenStream, errors: &mut Errors) -> Option<Self> {
        let at = RpcAttr::read(&method.attrs, errors);
        check::rpc_flags(&at, errors);
        let rate = check::rpc_rate(&at, errors);
        plain_function(&method, errors);
        let Method { attrs, vis, ident, args, args_span, output, .. } = method;
        let mut args = args.into_iter();
        let ctx = receiver_and_context(&ident, &mut args, args_span, errors);
        // Two arguments may have one name, when a `macro_rules!` made one of them.
        let args = args.enumerate().filter_map(|(i, arg)| argument(arg, &format!("{place}_{i}"), self_ty, errors));
        let args = args.collect();
        Some(Self {
            name: ident.unraw().to_string(),
            ident,
            vis,
            docs: attrs.into_iter().filter(|attr| attr.path().is_ident("doc")).collect(),
            reliable: at.unreliable.is_none(),
            post_attached: at.post_attached.is_none_or(|given| given.value.value),
            may_call: match (at.owner_only, at.authority_only) {
                (Some(_), _) => MayCall::Owner,
                (_, Some(_)) => MayCall::Authority,
                _ => MayCall::Anyone,
            },
            relayed: at.no_relay.is_none(),
            rate,
            args,
            ctx: ctx?,
            output: output.as_ref().map_or_else(Span::mixed_site, |ty| Span::mixed_site().located_at(ty.span())),
            returns: output,
        })
    }
}

/// What runs on the primary is called by the runtime, once per call, by index.
fn plain_function(method: &Method, errors: &mut Errors) {
    for attr in method.attrs.iter().filter(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")) {
        errors.at(
            attr,
            "the RPC table is the same in every build of a program, so an RPC cannot depend on `cfg`; put the `cfg` into \
             the method's body",
        );
    }
    if !method.qualifiers.is_empty() {
        errors.at(&method.qualifiers, "an RPC handler is a plain `fn`");
    }
    if !method.generics.params.is_empty() {
        errors.at(&method.generics, "an RPC handler cannot be generic: its arguments have one layout on the wire");
    }
}

/// Takes `&mut self` and `ctx: &RpcContext`; says where the latter's type is.
fn receiver_and_context(
    ident: &Ident,
    args: &mut impl Iterator<Item = Arg>,
    args_span: Span,
    errors: &mut Errors,
) -> Option<Span> {
    const ORDER: &str = "`&mut self`, then `ctx: &RpcContext`, then the arguments";
    let Some(receiver) = args.next() else {
        errors.push(syn::Error::new(args_span, format_args!("an RPC handler takes {ORDER}")));
        return None;
    };
    let pattern: Vec<_> = receiver.pattern.clone().into_iter().collect();
    let is_self = matches!(pattern.last(), Some(TokenTree::Ident(last)) if last == "self");
    let by_mut = matches!(
        pattern.as_slice(),
        [TokenTree::Punct(and), TokenTree::Ident(by), TokenTree::Ident(_)] if and.as_char() == '&' && by == "mut"
    );
    if !is_self || !by_mut || receiver.ty.is_some() {
        let wrong = if is_self { "not this receiver" } else { "and this is no receiver" };
        errors.at(&receiver, format_args!("an RPC handler takes {ORDER}; {wrong}"));
        if !is_self {
            return None;
        }
    }
    let Some(ctx) = args.next() else {
        errors.at(ident, format_args!("`{ident}` lacks its context: an RPC handler takes {ORDER}"));
        return None;
    };
    match &ctx.ty {
        Some(Type::Reference(ty)) => Some(ty.span()),
        _ => {
            errors.at(&ctx, format_args!("an RPC handler takes {ORDER}; this is not a reference"));
            None
        }
    }
}

fn argument(arg: Arg, place: &str, self_ty: &TokenStream, errors: &mut Errors) -> Option<Field> {
    let at = FieldAttr::read_argument(&arg.attrs, errors);
    check::codec(&at.codec, errors);
    for attr in arg.attrs.iter().filter(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")) {
        errors.at(attr, "an argument of an RPC cannot depend on `cfg`: every build must lay it out alike");
    }
    let mut pattern: Vec<_> = arg.pattern.clone().into_iter().collect();
    if matches!(pattern.as_slice(), [TokenTree::Ident(first), _] if first == "mut") {
        pattern.remove(0);
    }
    let name = match pattern.as_slice() {
        [TokenTree::Ident(name)] if name != "_" => name.clone(),
        _ => {
            errors.at(arg.pattern, "an argument of an RPC is `name: Type`: the name is what callers see");
            return None;
        }
    };
    match arg.ty {
        Some(Type::Reference(ty)) => {
            errors.at(
                ty,
                "an argument of an RPC is an owned value: what arrives from elsewhere has no owner to borrow from",
            );
            None
        }
        Some(Type::ImplTrait(ty)) => {
            errors.at(ty, "an RPC handler cannot be generic: its arguments have one layout on the wire");
            None
        }
        Some(ty) => {
            let codec = Codec::of(at.codec)?;
            Some(Field::new(Member::Named(name), &ty, codec, place, self_ty, &Params::default()))
        }
        None => {
            errors.at(name, "expected `name: Type`");
            None
        }
    }
}
