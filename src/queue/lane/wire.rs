//! Redis replies to entries. Total: a field name that is no UTF-8 or a shape that is not expected
//! must not stop a lane.

use bytes::Bytes;
use redis::Value;

use crate::queue::keys::JOB_FIELD;

/// An entry of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::queue) struct Entry {
    pub(in crate::queue) id: String,
    pub(in crate::queue) job: Option<Bytes>,
}

/// The entries in a reply of `XREADGROUP` for one stream: nil, `[[key, entries]]`, or a map.
pub(super) fn read_reply(reply: Value) -> Vec<Entry> {
    match reply {
        Value::Array(streams) => streams
            .into_iter()
            .filter_map(|stream| match stream {
                Value::Array(mut pair) if pair.len() == 2 => pair.pop(),
                _ => None,
            })
            .flat_map(entries)
            .collect(),
        Value::Map(streams) => streams
            .into_iter()
            .flat_map(|(_, value)| entries(value))
            .collect(),
        _ => Vec::new(),
    }
}

/// The entries in a reply of `XCLAIM`. Entries that were deleted meanwhile are nil there.
pub(in crate::queue) fn entries(reply: Value) -> Vec<Entry> {
    match reply {
        Value::Array(items) => items.into_iter().filter_map(entry).collect(),
        _ => Vec::new(),
    }
}

fn entry(item: Value) -> Option<Entry> {
    let Value::Array(pair) = item else {
        return None;
    };
    let [id, fields] = <[Value; 2]>::try_from(pair).ok()?;
    Some(Entry {
        id: String::from_utf8(bytes(id)?).ok()?,
        job: job(fields),
    })
}

fn job(fields: Value) -> Option<Bytes> {
    let Value::Array(flat) = fields else {
        return None;
    };
    let mut flat = flat.into_iter();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        if bytes(name).as_deref() == Some(JOB_FIELD.as_bytes()) {
            return bytes(value).map(Bytes::from);
        }
    }
    None
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(bytes: &[u8]) -> Value {
        Value::BulkString(bytes.to_vec())
    }

    #[test]
    fn strange_fields_stop_nothing() {
        let item = |fields: Vec<Value>| Value::Array(vec![bulk(b"1-0"), Value::Array(fields)]);
        let reply = Value::Array(vec![
            item(vec![bulk(b"\xff"), bulk(b"x"), bulk(b"job"), bulk(b"{}")]),
            item(vec![bulk(b"other"), bulk(b"x")]),
            Value::Nil,
            item(vec![bulk(b"job")]),
        ]);
        let jobs: Vec<_> = entries(reply).into_iter().map(|entry| entry.job).collect();
        assert_eq!(jobs, [Some(Bytes::from_static(b"{}")), None, None]);
    }

    #[test]
    fn nothing_read_is_no_entry() {
        assert_eq!(read_reply(Value::Nil), []);
    }
}
