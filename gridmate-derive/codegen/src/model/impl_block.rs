//! An impl block, read by hand: attributes, visibilities and signatures are looked at, bodies are one token each and
//! everything else passes by. syn's own parser for items would cost every program that builds us a second of compile time.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Attribute, Generics, LitStr, Token, Type, Visibility, braced, bracketed, parenthesized, token};

/// `impl Ship { … }`, as far as RPCs are concerned.
pub(crate) struct Item {
    /// `#[cfg]` on the block, which holds for whatever is generated from it.
    pub(crate) cfgs: Vec<Attribute>,
    /// `<T>` after `impl`, which is an error, but not one of syntax.
    pub(crate) generics: Generics,
    /// `impl Trait for`.
    pub(crate) of_trait: Option<TokenStream>,
    pub(crate) self_ty: Type,
    /// The functions with an `#[rpc]`.
    pub(crate) methods: Vec<Method>,
    /// An `#[rpc]` on something else.
    pub(crate) misplaced: Vec<Attribute>,
}

/// A function with an `#[rpc]`.
pub(crate) struct Method {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    /// `const`, `async`, `unsafe`, `extern "…"`.
    pub(crate) qualifiers: TokenStream,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) args: Vec<Arg>,
    pub(crate) args_span: Span,
    /// What stands behind `->`.
    pub(crate) output: Option<Type>,
}

/// `#[attr] pattern: Type`; a receiver may have no type.
pub(crate) struct Arg {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) pattern: TokenStream,
    pub(crate) ty: Option<Type>,
}

impl Item {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        syn::parse2(tokens)
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut cfgs = input.call(Attribute::parse_outer)?;
        cfgs.retain(|attr| attr.path().is_ident("cfg"));
        input.parse::<Option<Token![unsafe]>>()?;
        if !input.peek(Token![impl]) {
            return Err(input.error("`#[rpcs]` goes on an impl block: `impl Ship { … }`"));
        }
        input.parse::<Token![impl]>()?;
        let generics = if input.peek(Token![<]) { input.parse()? } else { Generics::default() };
        let mut self_ty: Type = input.parse()?;
        let mut of_trait = None;
        if input.peek(Token![for]) {
            input.parse::<Token![for]>()?;
            of_trait = Some(self_ty.into_token_stream());
            self_ty = input.parse()?;
        }
        while !input.peek(token::Brace) {
            // A where clause: generic blocks are refused in any case.
            input.parse::<TokenTree>()?;
        }
        let content;
        braced!(content in input);
        content.call(Attribute::parse_inner)?;
        let mut item = Self { cfgs, generics, of_trait, self_ty, methods: Vec::new(), misplaced: Vec::new() };
        while !content.is_empty() {
            item.parse_member(&content)?;
        }
        Ok(item)
    }
}

impl Item {
    fn parse_member(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let attrs = input.call(Attribute::parse_outer)?;
        if !attrs.iter().any(|attr| attr.path().is_ident("rpc")) {
            return skip_member(input);
        }
        let vis = input.parse()?;
        let mut qualifiers = TokenStream::new();
        while !input.peek(Token![fn]) {
            if !is_qualifier(input) {
                self.misplaced.extend(attrs.into_iter().filter(|attr| attr.path().is_ident("rpc")));
                return skip_member(input);
            }
            input.parse::<TokenTree>()?.to_tokens(&mut qualifiers);
        }
        input.parse::<Token![fn]>()?;
        let ident = input.parse()?;
        let generics = if input.peek(Token![<]) { input.parse()? } else { Generics::default() };
        let content;
        let paren = parenthesized!(content in input);
        let mut args = Vec::new();
        while !content.is_empty() {
            args.push(content.parse()?);
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        let args_span = paren.span.join();
        let output = input.parse::<Option<Token![->]>>()?.map(|_| input.parse()).transpose()?;
        self.methods.push(Method { attrs, vis, qualifiers, ident, generics, args, args_span, output });
        skip_member(input)
    }
}

/// Whether this can stand before `fn`.
fn is_qualifier(input: ParseStream<'_>) -> bool {
    input.peek(Token![const])
        || input.peek(Token![async])
        || input.peek(Token![unsafe])
        || input.peek(Token![extern])
        || input.peek(LitStr)
}

impl Parse for Arg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let mut pattern = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) && (!input.peek(Token![:]) || input.peek(Token![::])) {
            if input.peek(Token![::]) {
                input.parse::<Token![::]>()?.to_tokens(&mut pattern);
            } else {
                input.parse::<TokenTree>()?.to_tokens(&mut pattern);
            }
        }
        let ty = input.parse::<Option<Token![:]>>()?.map(|_| input.parse()).transpose()?;
        Ok(Self { attrs, pattern, ty })
    }
}

/// The parameter without its attributes: what errors about it point at.
impl ToTokens for Arg {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.pattern.to_tokens(tokens);
        if let Some(ty) = &self.ty {
            quote!(: #ty).to_tokens(tokens);
        }
    }
}

/// Passes by an item, or what is left of one: up to a semicolon or a body.
fn skip_member(input: ParseStream<'_>) -> syn::Result<()> {
    // A constant or a type ends at its semicolon whatever braces come before; anything else at its first block.
    let to_semicolon = {
        let ahead = input.fork();
        ahead.parse::<Visibility>()?;
        let constant = ahead.peek(Token![const])
            && !ahead.peek2(Token![fn])
            && !ahead.peek2(Token![async])
            && !ahead.peek2(Token![unsafe])
            && !ahead.peek2(Token![extern]);
        constant || ahead.peek(Token![type])
    };
    while !input.is_empty() {
        let block = input.peek(token::Brace);
        let semicolon = input.peek(Token![;]);
        input.parse::<TokenTree>()?;
        // `{ N }` between angle brackets is no body.
        let argument = input.peek(Token![>]) || input.peek(Token![,]);
        if semicolon || (block && !to_semicolon && !argument) {
            break;
        }
    }
    Ok(())
}

/// The block as it was, without the attributes that only mean something to us.
///
/// Works on tokens alone, so that a block with any mistake in it still reaches the compiler and the editor.
pub(crate) fn without_helpers(item: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    if let Some(TokenTree::Group(body)) = tokens.last_mut()
        && body.delimiter() == Delimiter::Brace
    {
        *body = regroup(body, without_rpc(body.stream()));
    }
    tokens.into_iter().collect()
}

/// Drops `#[rpc]` from the members and `#[marshal]` from the arguments of those that had one.
fn without_rpc(members: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut in_rpc = false;
    let strip = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if is_attr(input, "rpc") {
                in_rpc = true;
                drop_attr(input)?;
                continue;
            }
            let mut token = input.parse::<TokenTree>()?;
            match &mut token {
                TokenTree::Group(args) if in_rpc && args.delimiter() == Delimiter::Parenthesis => {
                    *args = regroup(args, without_marshal(args.stream()));
                }
                TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => in_rpc = false,
                TokenTree::Punct(end) if end.as_char() == ';' => in_rpc = false,
                _ => {}
            }
            token.to_tokens(&mut out);
        }
        Ok(())
    };
    // Reads token by token and only while there are some, so it cannot fail.
    let _ = strip.parse2(members);
    out
}

fn without_marshal(args: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let strip = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if is_attr(input, "marshal") {
                drop_attr(input)?;
            } else {
                input.parse::<TokenTree>()?.to_tokens(&mut out);
            }
        }
        Ok(())
    };
    // As above.
    let _ = strip.parse2(args);
    out
}

fn is_attr(input: ParseStream<'_>, name: &str) -> bool {
    let starts_so = |input: ParseStream<'_>| {
        input.parse::<Token![#]>()?;
        let inner;
        bracketed!(inner in input);
        inner.call(Ident::parse_any)
    };
    starts_so(&input.fork()).is_ok_and(|ident| ident == name)
}

fn drop_attr(input: ParseStream<'_>) -> syn::Result<()> {
    input.parse::<TokenTree>()?;
    input.parse::<TokenTree>()?;
    Ok(())
}

fn regroup(group: &Group, stream: TokenStream) -> Group {
    let mut new = Group::new(group.delimiter(), stream);
    new.set_span(group.span());
    new
}
