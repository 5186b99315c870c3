//! Derives jute encoding: a record's fields are its format, in order.
//!
//! `#[derive(Encode, Decode)]` works on structs with named fields and on newtypes; a struct may carry one
//! lifetime, that of the bytes it borrows from. Enums are written by hand: jute has none.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, parse_macro_input};

/// Derives `zoorum_jute::Encode`: every field, in declaration order.
#[proc_macro_derive(Encode)]
pub fn derive_encode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    encode_impl(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// Derives `zoorum_jute::Decode`: every field, in declaration order.
#[proc_macro_derive(Decode)]
pub fn derive_decode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    decode_impl(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn fields(input: &DeriveInput) -> syn::Result<&Fields> {
    match &input.data {
        Data::Struct(data) => Ok(&data.fields),
        _ => Err(Error::new(input.span(), "jute knows records only: derive on a struct")),
    }
}

fn encode_impl(input: &DeriveInput) -> syn::Result<Tokens> {
    let name = &input.ident;
    let (generics, types, bounds) = input.generics.split_for_impl();
    let writes = fields(input)?.members().map(|field| {
        quote_spanned! { input.ident.span() => ::zoorum_jute::Encode::encode(&self.#field, out); }
    });
    Ok(quote! {
        impl #generics ::zoorum_jute::Encode for #name #types #bounds {
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) { #(#writes)* }
        }
    })
}

fn decode_impl(input: &DeriveInput) -> syn::Result<Tokens> {
    let name = &input.ident;
    let (_, types, bounds) = input.generics.split_for_impl();
    let lifetime = input.generics.lifetimes().next().map(|l| l.lifetime.clone());
    let generics = match &lifetime {
        Some(lifetime) => quote! { <#lifetime> },
        None => quote! { <'de> },
    };
    let lifetime = lifetime.map_or_else(|| quote! { 'de }, |l| quote! { #l });
    let reads = fields(input)?.members().map(|field| {
        quote! { #field: ::zoorum_jute::Decode::decode(input)? }
    });
    Ok(quote! {
        impl #generics ::zoorum_jute::Decode<#lifetime> for #name #types #bounds {
            fn decode(
                input: &mut ::zoorum_jute::Reader<#lifetime>,
            ) -> ::std::result::Result<Self, ::zoorum_jute::DecodeError> {
                Ok(Self { #(#reads),* })
            }
        }
    })
}
