//! What parameters may be: one description for all parameters of a name, since one reader reads them.

use utoipa::openapi::{
    OpenApi, RefOr, Schema,
    path::{Operation, Parameter, PathItem},
    schema::{AnyOfBuilder, ArrayItems, KnownFormat, Object, ObjectBuilder, SchemaFormat, Type},
};

use super::{PROVIDER, read};
use crate::model::{Resolution, SortOrder};

/// A user id.
const USER_ID: &str = r"^(?!\.{1,2}$)[A-Za-z0-9._:@=+|~-]{1,128}$";

/// What a caller repeats a call by: ASCII that neither begins nor ends with a space.
const IDEMPOTENCY_KEY: &str = r"^[!-~]([\t -~]{0,253}[!-~])?$";

/// The first second of the year 1, and the last one that there is an instant for, a day before the year 10000.
const UNIX_SECONDS: (i64, i64) = (-62_135_596_800, 253_402_207_200);

/// Says of every parameter in a description what it may be.
pub(super) fn parameters(description: &mut OpenApi) {
    for path in description.paths.paths.values_mut() {
        for operation in operations(path) {
            let parameters = operation.parameters.iter_mut().flatten();
            for parameter in parameters {
                if let RefOr::T(parameter) = parameter {
                    describe_one(parameter);
                }
            }
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get, post, delete, ..
    } = path;
    [get, post, delete].into_iter().flatten()
}

fn describe_one(parameter: &mut Parameter) {
    let Some(RefOr::T(schema)) = &mut parameter.schema else {
        return;
    };
    match (parameter.name.as_str(), schema) {
        ("user_id", Schema::Object(object)) => object.pattern = Some(USER_ID.to_owned()),
        ("provider", Schema::Object(object)) => one_of(object, [PROVIDER].into_iter()),
        // A header has a value, or is not there.
        ("Idempotency-Key", Schema::Object(object)) => {
            object.schema_type = Type::String.into();
            object.pattern = Some(IDEMPOTENCY_KEY.to_owned());
        }
        ("Polar-Webhook-Signature", Schema::Object(object)) => {
            object.schema_type = Type::String.into();
        }
        ("cursor", Schema::Object(object)) => {
            object.pattern = Some("^[A-Za-z0-9_-]*$".to_owned());
        }
        ("resolution", Schema::Object(object)) => {
            one_of(object, Resolution::ALL.iter().map(|word| word.as_str()));
        }
        ("sort_order", Schema::Object(object)) => {
            one_of(object, SortOrder::ALL.iter().map(|word| word.as_str()));
        }
        ("record_type", Schema::Object(object)) => one_of(object, read::workout_types()),
        ("types", Schema::Array(array)) => {
            let mut word = Object::with_type(Type::String);
            one_of(&mut word, read::known_series());
            array.items = ArrayItems::RefOrSchema(Box::new(Schema::Object(word).into()));
        }
        ("start_date" | "end_date" | "start_time" | "end_time", schema) => *schema = instant(),
        _ => {}
    }
}

fn one_of<'a>(object: &mut Object, words: impl Iterator<Item = &'a str>) {
    object.enum_values = Some(words.map(Into::into).collect());
}

fn instant() -> Schema {
    let text = |format| {
        let format = SchemaFormat::KnownFormat(format);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(format))
    };
    let (first, last) = UNIX_SECONDS;
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(first))
        .maximum(Some(last));
    let forms = AnyOfBuilder::new()
        .item(text(KnownFormat::Date))
        .item(text(KnownFormat::DateTime))
        .item(seconds);
    Schema::AnyOf(forms.build())
}
