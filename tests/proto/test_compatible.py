"""
Owns: the rule for changes in the head of src/proto/nearby.proto, against the first version of it.
Invariant: whatever baseline.pb has, today's file has too, with the same number, name, type and label;
  what is new may be absent.
Does not know: what a field means; that old bytes are still read as they were is in
  tests/unit/test_protobuf.c and tests/e2e/test_protobuf.py.

baseline.pb is `protoc --descriptor_set_out` of what was released last. With a release that adds to
nearby.proto it is made anew, and so what was added is held to the rule too.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    from google.protobuf import descriptor_pb2
except ImportError as missing:
    print(f"skipped: {missing}; Debian: python3-protobuf")
    sys.exit(77)

SOURCE = os.environ.get("TEST_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
FOLDER = os.path.join(SOURCE, "src", "proto")
FIELD = descriptor_pb2.FieldDescriptorProto


def compiled():
    compiler = shutil.which("protoc") or shutil.which("protoc-c")
    if compiler is None:
        print("skipped: no protoc; Debian: protobuf-compiler")
        sys.exit(77)
    with tempfile.NamedTemporaryFile(suffix=".pb") as out:
        subprocess.run([compiler, f"--proto_path={FOLDER}", f"--descriptor_set_out={out.name}",
                        os.path.join(FOLDER, "nearby.proto")], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read()).file[0]


def baseline():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "baseline.pb"), "rb") as file:
        return descriptor_pb2.FileDescriptorSet.FromString(file.read()).file[0]


def member_of(message, field):
    """The oneof that a field is in, or None."""
    return message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None


def facts(file):
    """What must stay, by what it is known by on the wire or in programs."""
    found = {("file",): (file.package, file.syntax)}

    def enum(path, value):
        for entry in value.value:
            found[(*path, value.name, "value", entry.number)] = entry.name

    def message(path, value):
        path = (*path, value.name)
        found[path] = "message"
        for field in value.field:
            found[(*path, "field", field.number)] = (
                field.name, FIELD.Type.Name(field.type), field.type_name, FIELD.Label.Name(field.label),
                field.default_value, field.options.packed, member_of(value, field))
        for nested in value.nested_type:
            message(path, nested)
        for nested in value.enum_type:
            enum(path, nested)

    for value in file.message_type:
        message((), value)
    for value in file.enum_type:
        enum((), value)
    return found


def findings(old, new):
    """What in `new` breaks readers and writers of `old`."""
    before, after = facts(old), facts(new)
    found = [f"{'.'.join(map(str, path))}: was {what}, is {after.get(path)}"
             for path, what in before.items() if after.get(path) != what]
    for path, what in after.items():
        is_new_field = path not in before and len(path) > 1 and path[-2] == "field"
        if is_new_field and what[3] == "LABEL_REQUIRED":
            found.append(f"{'.'.join(map(str, path))}: is new and required")
        if is_new_field and path[0] in ("ClientMessage", "ServerMessage") and what[-1] is None:
            found.append(f"{'.'.join(map(str, path))}: is no member of the oneof")
    return found


class Compatible(unittest.TestCase):
    def test_the_first_clients_still_understand(self):
        self.assertEqual(findings(baseline(), compiled()), [])

    def test_additions_are_allowed(self):
        new = compiled()
        self.message(new, "Entry").field.add(name="speed", number=99, type=FIELD.TYPE_UINT32,
                                             label=FIELD.LABEL_OPTIONAL)
        self.message(new, "ClientMessage").field.add(
            name="wave", number=99, type=FIELD.TYPE_MESSAGE, type_name=".nearby.v1.Token",
            label=FIELD.LABEL_OPTIONAL, oneof_index=0)
        new.enum_type[0].value.add(name="SHARING_NEW", number=99)
        new.message_type.add(name="Wave")
        self.assertEqual(findings(baseline(), new), [])

    def test_every_other_change_is_found(self):
        entry, client = "Entry", "ClientMessage"

        def change(where, at, **values):
            def do(file):
                field = next(f for f in self.message(file, where).field if f.number == at)
                for key, value in values.items():
                    setattr(field, key, value)
            return do

        def add(where, **values):
            return lambda file: self.message(file, where).field.add(**values)

        def remove_value(file):
            del file.enum_type[0].value[-1]

        def remove_message(file):
            file.message_type.remove(self.message(file, "Token"))

        changes = {
            "another number": change(entry, 5, number=50),
            "another name": change(entry, 5, name="time_ms"),
            "another type": change(entry, 3, type=FIELD.TYPE_SINT32),
            "another message": change(client, 3, type_name=".nearby.v1.Unsubscribe"),
            "another label": change(entry, 1, label=FIELD.LABEL_REPEATED),
            "another default": change(entry, 1, default_value="7"),
            "a field gone": lambda file: self.message(file, entry).field.pop(),
            "a value of an enum gone": remove_value,
            "a message gone": remove_message,
            "another package": lambda file: setattr(file, "package", "nearby.v2"),
            "a required field": add(entry, name="new", number=99, type=FIELD.TYPE_UINT32,
                                    label=FIELD.LABEL_REQUIRED),
            "a field beside the oneof": add(client, name="new", number=99, type=FIELD.TYPE_UINT32,
                                            label=FIELD.LABEL_OPTIONAL),
        }
        for name, make in changes.items():
            new = baseline()
            make(new)
            with self.subTest(name):
                self.assertNotEqual(findings(baseline(), new), [])

    @staticmethod
    def message(file, name):
        return next(message for message in file.message_type if message.name == name)


if __name__ == "__main__":
    unittest.main()
