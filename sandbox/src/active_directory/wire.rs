//! LDAP on the wire: every operation becomes a request to the stand-in as the sandbox knows them (`SEARCH` or `MODIFY` of
//! a name, with a JSON body), so that faults, the record and its redaction are the same as over HTTP.

use super::{ID, value};
use crate::{
    server::{Sandbox, exchange},
    twin::{Ask, Reply, World},
};
use bytes::BytesMut;
use ldap3_proto::{
    LdapCodec,
    control::LdapControl,
    proto::{
        LdapBindCred, LdapBindResponse, LdapExtendedResponse, LdapFilter, LdapModify, LdapModifyType,
        LdapMsg, LdapOp, LdapPartialAttribute, LdapResult, LdapResultCode as Code, LdapSearchRequest,
        LdapSearchResultEntry, LdapSearchResultReference, LdapSearchScope,
    },
};
use leaver_domain::time::Timestamp;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// Largest request.
const MAX_MESSAGE: usize = 1024 * 1024;

/// The TLS of a directory with the settings' certificate; `None` where there is none.
pub(crate) fn acceptor(world: &World) -> Option<TlsAcceptor> {
    let (certificate, key) =
        (world.setting(ID, "sandbox_certificate"), world.setting(ID, "sandbox_certificate_key"));
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .ok()?;
    Some(TlsAcceptor::from(Arc::new(tls)))
}

/// Serves one connection to its end.
pub(crate) async fn serve(sandbox: Sandbox, stream: TcpStream) {
    let Some(acceptor) = sandbox.directory() else { return };
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let codec = LdapCodec::new(Some(MAX_MESSAGE), None);
    let mut line = Line { sandbox, stream, codec, arrived: BytesMut::new(), bound: None };
    while let Some(message) = line.next().await {
        if line.answer(message).await.is_none() {
            break;
        }
    }
    let _ = line.stream.shutdown().await;
}

struct Line {
    sandbox: Sandbox,
    stream: TlsStream<TcpStream>,
    codec: LdapCodec,
    arrived: BytesMut,
    /// What was bound with, as a header of what is asked from then on.
    bound: Option<String>,
}

impl Line {
    /// The next request; `None` once the connection is over.
    async fn next(&mut self) -> Option<LdapMsg> {
        loop {
            if let Some(message) = self.codec.decode(&mut self.arrived).ok()? {
                return Some(message);
            }
            if self.stream.read_buf(&mut self.arrived).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn send(&mut self, msgid: i32, op: LdapOp, ctrl: Vec<LdapControl>) -> Option<()> {
        let mut bytes = BytesMut::new();
        self.codec.encode(LdapMsg { msgid, op, ctrl }, &mut bytes).ok()?;
        self.stream.write_all(&bytes).await.ok()?;
        self.stream.flush().await.ok()
    }

    /// Asks the stand-in. `None` ends the connection: a fault that closes it, or one whose body is no answer.
    async fn ask(&mut self, method: &str, name: &str, filter: String, body: Value) -> Option<Reply> {
        let headers = self.bound.iter().map(|bound| ("authorization".to_owned(), bound.clone()));
        let line = format!("{method} /{ID}/{name}?{filter}");
        let query = (!filter.is_empty()).then(|| ("filter".to_owned(), filter));
        let ask = Ask {
            method: method.to_owned(),
            target: format!("/{ID}/{name}"),
            path: vec![name.to_owned()],
            query: query.into_iter().collect(),
            headers: headers.collect(),
            body: body.to_string().into_bytes(),
            base: format!("ldaps://localhost/{ID}"),
            at: Timestamp::from_jiff(jiff::Timestamp::now()),
        };
        let reply = exchange(&self.sandbox, ID, &ask, &line).await?;
        let is_answer =
            reply.status >= 300 || serde_json::from_slice::<Value>(&reply.body).is_ok_and(|v| v.is_object());
        if !is_answer {
            let _ = self.stream.write_all(&reply.body).await;
            return None;
        }
        Some(reply)
    }

    async fn answer(&mut self, message: LdapMsg) -> Option<()> {
        let id = message.msgid;
        match message.op {
            LdapOp::BindRequest(bind) => {
                let LdapBindCred::Simple(password) = bind.cred else {
                    let res = result_of(Code::AuthMethodNotSupported, "only simple binds here");
                    return self.bind_response(id, res).await;
                };
                let body = json!({"name": bind.dn, "password": password});
                let reply = self.ask("BIND", &bind.dn, String::new(), body).await?;
                let res = result(&reply);
                self.bound = (res.code == Code::Success).then(|| format!("Simple {}:{password}", bind.dn));
                self.bind_response(id, res).await
            }
            LdapOp::SearchRequest(search) => self.search(id, search, &message.ctrl).await,
            LdapOp::ModifyRequest(modify) => {
                let changes: Vec<Value> = modify.changes.into_iter().map(change).collect();
                let body = json!({"changes": changes});
                let reply = self.ask("MODIFY", &modify.dn, String::new(), body).await?;
                self.send(id, LdapOp::ModifyResponse(result(&reply)), Vec::new()).await
            }
            LdapOp::ExtendedRequest(_) => {
                let res = result_of(Code::ProtocolError, "no such extension");
                let response = LdapExtendedResponse { res, name: None, value: None };
                self.send(id, LdapOp::ExtendedResponse(response), Vec::new()).await
            }
            LdapOp::AbandonRequest(_) => Some(()),
            // An unbind ends the connection, and so does what leaver has no need of.
            _ => None,
        }
    }

    async fn bind_response(&mut self, id: i32, res: LdapResult) -> Option<()> {
        self.send(id, LdapOp::BindResponse(LdapBindResponse { res, saslcreds: None }), Vec::new()).await
    }

    async fn search(&mut self, id: i32, search: LdapSearchRequest, ctrl: &[LdapControl]) -> Option<()> {
        let paged = ctrl.iter().find_map(|control| match control {
            LdapControl::SimplePagedResults { size, cookie } => Some((*size, cookie)),
            _ => None,
        });
        let cookie = paged.map_or("", |(_, cookie)| std::str::from_utf8(cookie).unwrap_or_default());
        let body = json!({
            "deep": search.scope == LdapSearchScope::Subtree, "attributes": search.attrs,
            "size": paged.map(|(size, _)| size), "cookie": cookie, "filter": filter(&search.filter),
        });
        let reply = self.ask("SEARCH", &search.base, written(&search.filter), body).await?;
        let done = result(&reply);
        let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        for entry in said["entries"].as_array().into_iter().flatten() {
            self.send(id, LdapOp::SearchResultEntry(entry_of(entry)), Vec::new()).await?;
        }
        for uri in said["references"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let reference = LdapSearchResultReference { uris: vec![uri.to_owned()] };
            self.send(id, LdapOp::SearchResultReference(reference), Vec::new()).await?;
        }
        let next = said["cookie"].as_str().unwrap_or_default().as_bytes().to_vec();
        let control = paged.map(|_| LdapControl::SimplePagedResults { size: 0, cookie: next });
        self.send(id, LdapOp::SearchResultDone(done), control.into_iter().collect()).await
    }
}

fn entry_of(entry: &Value) -> LdapSearchResultEntry {
    let attribute = |(name, values): (&String, &Value)| LdapPartialAttribute {
        atype: name.clone(),
        vals: values.as_array().into_iter().flatten().map(value::bytes).collect(),
    };
    LdapSearchResultEntry {
        dn: entry["dn"].as_str().unwrap_or_default().to_owned(),
        attributes: entry["attributes"].as_object().into_iter().flatten().map(attribute).collect(),
    }
}

fn result_of(code: Code, message: &str) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: message.to_owned(), referral: Vec::new() }
}

/// A reply's result code: its own, or what LDAP says where HTTP has this status.
fn result(reply: &Reply) -> LdapResult {
    let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let code = said["code"].as_i64().unwrap_or(match reply.status {
        200..=299 => 0,
        401 => 49,
        403 => 50,
        404 => 32,
        409 => 53,
        429 => 51,
        _ => 52,
    });
    let code = Code::try_from(code).unwrap_or(Code::Other);
    result_of(code, said["message"].as_str().unwrap_or_default())
}

/// A change as JSON. A password stands in a field that the record never shows.
fn change(change: LdapModify) -> Value {
    let operation = match change.operation {
        LdapModifyType::Add => "add",
        LdapModifyType::Delete => "delete",
        LdapModifyType::Replace => "replace",
        LdapModifyType::Increment => "increment",
    };
    let name = change.modification.atype;
    let mut values = change.modification.vals.iter();
    if name.to_ascii_lowercase().ends_with("pwd") || name.eq_ignore_ascii_case("userPassword") {
        let password = values.next().map_or(String::new(), |bytes| value::encoded(bytes));
        return json!({"operation": operation, "attribute": name, "password": password});
    }
    let values: Vec<Value> = values.map(|bytes| value::json(bytes)).collect();
    json!({"operation": operation, "attribute": name, "values": values})
}

/// A filter as JSON.
fn filter(of: &LdapFilter) -> Value {
    let each = |of: &[LdapFilter]| of.iter().map(filter).collect::<Vec<_>>();
    match of {
        LdapFilter::And(of) => json!({"and": each(of)}),
        LdapFilter::Or(of) => json!({"or": each(of)}),
        LdapFilter::Not(of) => json!({"not": filter(of)}),
        LdapFilter::Equality(name, value) => json!({"is": [name, value]}),
        LdapFilter::Present(name) => json!({"has": name}),
        LdapFilter::Extensible(of) => json!({"rule": [of.type_, of.matching_rule, of.match_value]}),
        _ => Value::Null,
    }
}

/// A filter as people write it (RFC 4515).
fn written(of: &LdapFilter) -> String {
    let each = |of: &[LdapFilter]| of.iter().map(written).collect::<String>();
    let plain = |text: &str| {
        text.replace('\\', "\\5c").replace('*', "\\2a").replace('(', "\\28").replace(')', "\\29")
    };
    match of {
        LdapFilter::And(of) => format!("(&{})", each(of)),
        LdapFilter::Or(of) => format!("(|{})", each(of)),
        LdapFilter::Not(of) => format!("(!{})", written(of)),
        LdapFilter::Equality(name, value) => format!("({name}={})", plain(value)),
        LdapFilter::Present(name) => format!("({name}=*)"),
        LdapFilter::Extensible(of) => {
            let (name, rule) = (of.type_.as_deref(), of.matching_rule.as_deref());
            format!("({}:{}:={})", name.unwrap_or(""), rule.unwrap_or(""), plain(&of.match_value))
        }
        _ => "(?)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_holds_cannot_end_a_filter() {
        let of = LdapFilter::Equality("mail".into(), "*)(objectClass=\\".into());
        assert_eq!(written(&of), "(mail=\\2a\\29\\28objectClass=\\5c)");
    }
}
