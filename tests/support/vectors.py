# SPDX-License-Identifier: Apache-2.0
"""Aggregated records with known bytes, and a writer for records that no real producer makes.

A1 ... A13: hand-made from the wire description. A2 and A14: the golden bytes in the tests of
atlassian/fluent-plugin-kinesis-aggregation.
"""
import hashlib

from kpl_reader import MAGIC

A1 = "f3899ac20a02706b1a0b08001a077b2261223a317d6cb75d70fdec90b14d92051f1f079b83"
A2 = ("f3899ac20a01610a12746573745f706172746974696f6e5f6b65791a3608011a327b2261223a312c2274696d65"
      "223a22323031312d30312d30325431333a31343a31355a222c22746167223a2274657374227d1a3608011a327b"
      "2261223a322c2274696d65223a22323031312d30312d30325431333a31343a31355a222c22746167223a227465"
      "7374227da20e20798b02dfaeab931c3bcbad1f78")
A14 = ("f3899ac20a01610a12746573745f706172746974696f6e5f6b65791a4908011a457b2261223a22e382a4e383b3"
       "e382b9e38388e383bce383ab222c2274696d65223a22323031312d30312d30325431333a31343a31355a222c22"
       "746167223a2274657374227d5f249cf9762b70563a673763e3f224ba")
A3 = "f3899ac21a0b08001a077b2261223a317d0a02706b30bac8befe925529711ff00a6d75e9a4"
A4 = "f3899ac20a02706b1a0408001a0056eb44d69edef7e5d109f79f1336bc95"
A5 = "f3899ac20a02706b1a0208005cfc7504fcd9ea247156a872c68cbdb7"
A6 = "f3899ac20a02706b1a031a01783c0fde4facd540b6f5465f1e734ac523"
A7 = ("f3899ac20a02706b1a0508001a01781a0508011a01791a0508001a017abf2bed4b7d92d04c024d11ee489e3244")
A8 = "f3899ac20a02706b1de309800703489376e7e0043512f57b"
A9 = ("f3899ac20a02706b1a1508001a077b2261223a317d22080a026964120263311ff697d90582406334aab5635838bc"
      "dc")
A10 = ("f3899ac20a02706b1a0b08001a077b2261223a317d7a0a6368756e6b2d303030312b0696c313dbdcba9a56953e"
       "36df2f62")
A11 = ("f3899ac20a02706b1201301a0508001a01781a07080010001a01794c620c98dfedb6a7aba91b03b2bed177")
A12 = A1[:-1] + "2"
A13 = "f3899ac2d41d8cd98f00b204e9800998ecf8427e"


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def seal(message):
    """Magic and MD5 around a serialised AggregatedRecord."""
    return MAGIC + message + hashlib.md5(message).digest()


def aggregate(keys, records):
    """`records`: (key index, data) in order."""
    message = b"".join(field(1, key.encode()) for key in keys)
    for index, data in records:
        message += field(3, b"\x08" + varint(index) + field(3, data))
    return seal(message)
