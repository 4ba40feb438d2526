//! A call to AWS: what it is called, and whether it changes something.

use super::http::{Request, header};

/// One call, in the order of arrival.
#[derive(Debug, Clone)]
pub struct Call {
    pub service: String,
    /// As AWS names it; where only the path tells, as its shape: `PUT ?lifecycle`.
    pub operation: String,
    pub request: Request,
}

const READS: [&str; 6] = ["Describe", "List", "Get", "Filter", "BatchGet", "Head"];

impl Call {
    pub fn new(request: Request) -> Self {
        let service = service(&request).unwrap_or("?").to_owned();
        let operation = operation(&service, &request);
        Self { service, operation, request }
    }

    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    pub fn writes(&self) -> bool {
        let shape = self.operation.split_once(' ').map(|(method, _)| method);
        match shape {
            Some(method) => !matches!(method, "GET" | "HEAD"),
            None => !READS.iter().any(|read| self.operation.starts_with(read)),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.request.body).into_owned()
    }

    /// The same for whoever asks the same, in the same region.
    pub fn question(&self) -> String {
        let region = scope(&self.request, 2).unwrap_or_default();
        format!("{region} {} {} {}", self.name(), self.request.path, self.text())
    }
}

fn service(request: &Request) -> Option<&str> {
    scope(request, 3)
}

/// A part of `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn scope(request: &Request, part: usize) -> Option<&str> {
    let authorization = header(&request.headers, "authorization")?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').nth(part)
}

fn operation(service: &str, request: &Request) -> String {
    if let Some(target) = header(&request.headers, "x-amz-target") {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if let Some((_, operation)) = path.rsplit_once("/operation/") {
        return operation.to_owned();
    }
    if let Some(action) = request.body.strip_prefix(b"Action=") {
        let action = action.split(|byte| *byte == b'&').next().unwrap_or_default();
        return String::from_utf8_lossy(action).into_owned();
    }
    let shape = if service == "s3" { s3(path, query) } else { rest(path) };
    format!("{} {shape}", request.method)
}

fn s3(path: &str, query: &str) -> String {
    let first = query.split('&').next().unwrap_or_default();
    let name = first.split('=').next().unwrap_or_default();
    let object = path.trim_matches('/').contains('/');
    match (object, name) {
        (true, _) => "object".into(),
        (false, "" | "x-id") => "bucket".into(),
        (false, name) => format!("?{name}"),
    }
}

/// Every other word of such a path is a name: `/2015-03-31/functions/NAME/code`.
fn rest(path: &str) -> String {
    let words = path.trim_matches('/').split('/').skip(1);
    let kept: Vec<_> = words.enumerate().filter(|(at, _)| at % 2 == 0).map(|(_, w)| w).collect();
    kept.join("/")
}
