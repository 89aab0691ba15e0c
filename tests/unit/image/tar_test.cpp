// SPDX-License-Identifier: Apache-2.0
#include "image/tar.hpp"

#include <catch2/catch.hpp>

#include "unit/image/tar_builder.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::image;
using test::entry;
using test::pax;
using test::pax_record;

namespace {

std::vector<Entry> read_all(const std::string& archive, std::size_t step = 512) {
  test::TextSource source(archive, step);
  TarReader reader(source);
  std::vector<Entry> entries;
  Entry one;
  while (reader.next(one)) entries.push_back(one);
  return entries;
}

std::string data_of(const std::string& archive, std::size_t step) {
  test::TextSource source(archive, step);
  TarReader reader(source);
  Entry one;
  std::string data;
  REQUIRE(reader.next(one));
  for (auto part = reader.data(one.stored); !part.empty(); part = reader.data(one.stored))
    data.append(reinterpret_cast<const char*>(part.data()), part.size());
  REQUIRE_FALSE(reader.next(one));
  return data;
}

std::string why(const std::string& archive) {
  try {
    (void)read_all(archive);
  } catch (const Error& error) {
    return error.message();
  }
  return "no error";
}

std::string tar_number(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

}  // namespace

TEST_CASE("a ustar entry is read with all its fields") {
  const auto entries = read_all(entry({.name = "b",
                                       .data = "hello",
                                       .mode = "0004755",
                                       .uid = "0001750",
                                       .gid = "0000012",
                                       .mtime = "00000000144",
                                       .prefix = "a"}) +
                                test::end_of_archive());
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].name == "a/b");
  CHECK(entries[0].type == EntryType::kFile);
  CHECK(entries[0].mode == 04755);
  CHECK(entries[0].uid == 1000);
  CHECK(entries[0].gid == 10);
  CHECK(entries[0].mtime == 100);
  CHECK(entries[0].size == 5);
}

TEST_CASE("data is the same in whatever parts the stream comes") {
  std::string data;
  for (int i = 0; i < 3000; ++i) data += static_cast<char>(i * 7);
  const std::string archive = entry({.name = "f", .data = data}) + test::end_of_archive();
  for (const std::size_t step : {1UL, 7UL, 511UL, 512UL, 513UL, 100000UL}) CHECK(data_of(archive, step) == data);
}

TEST_CASE("an archive may end without its end mark, but not inside an entry") {
  const std::string one = entry({.name = "f", .data = "x"});
  CHECK(read_all(one).size() == 1);
  CHECK(read_all("").empty());
  CHECK(why(one.substr(0, 600)) == "read the tar archive: it ends in the middle of an entry");
  CHECK(why(one.substr(0, 100)) == "read the tar archive: it ends in the middle of an entry");
}

TEST_CASE("what stands behind the end mark is no entry") {
  CHECK(read_all(entry({.name = "f"}) + test::end_of_archive() + entry({.name = "g"})).size() == 1);
}

TEST_CASE("PAX records stand above the header") {
  const auto entries = read_all(pax(pax_record("path", std::string(300, 'p')) + pax_record("uid", "3000000") +
                                    pax_record("gid", "3000001") + pax_record("mtime", "1350244992.023960108") +
                                    pax_record("SCHILY.xattr.user.a", std::string("x\0y\n=", 5)) +
                                    pax_record("comment", "nobody cares")) +
                                entry({.name = "short", .data = "1"}) + entry({.name = "next"}));
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].name == std::string(300, 'p'));
  CHECK(entries[0].uid == 3000000);
  CHECK(entries[0].gid == 3000001);
  CHECK(entries[0].mtime == 1350244992);
  CHECK(entries[0].mtime_ns == 23960108);
  REQUIRE(entries[0].xattrs.size() == 1);
  CHECK(entries[0].xattrs[0].first == "user.a");
  CHECK(entries[0].xattrs[0].second == std::string("x\0y\n=", 5));
  CHECK(entries[1].name == "next");
  CHECK(entries[1].xattrs.empty());
}

TEST_CASE("a PAX size is that of the data") {
  const auto entries =
      read_all(pax(pax_record("size", "5")) + entry({.name = "f", .data = "hello", .size = "00000000000"}));
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].size == 5);
}

TEST_CASE("a global PAX header belongs to no entry") {
  const auto entries =
      read_all(entry({.name = "g", .type = 'g', .data = pax_record("path", "evil")}) + entry({.name = "f"}));
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].name == "f");
}

TEST_CASE("wrong PAX records are errors") {
  for (const std::string& records :
       {std::string("5 a=b\n"), std::string("7 a=b\n"), std::string("x a=b\n"), std::string("6 a=bc"),
        std::string("5 =bc\n"), std::string("4 ab\n"), std::string("99999999999999999999 a=b\n"),
        std::string("0 a=b\n"), std::string("-6 a=b\n")})
    CHECK(why(pax(records) + entry({.name = "f"})).rfind("read the tar archive: a PAX record", 0) == 0);
  CHECK(why(pax(pax_record("uid", "-1")) + entry({.name = "f"})).find("uid") != std::string::npos);
  CHECK(why(pax(pax_record("uid", "4294967295")) + entry({.name = "f"})).find("uid") != std::string::npos);
  CHECK(why(pax(pax_record("size", "1e3")) + entry({.name = "f"})).find("size") != std::string::npos);
  CHECK(why(pax(pax_record("mtime", "soon")) + entry({.name = "f"})).find("mtime") != std::string::npos);
  CHECK(why(pax(pax_record("path", "")) + entry({.name = "f"})).find("empty name") != std::string::npos);
  CHECK(why(pax(pax_record("path", std::string("a\0b", 3))) + entry({.name = "f"})).find("NUL") != std::string::npos);
  CHECK(why(pax(pax_record("SCHILY.xattr.", "v")) + entry({.name = "f"})).find("extended attribute") !=
        std::string::npos);
}

TEST_CASE("an extended header larger than a mebibyte is refused before it is read") {
  CHECK(why(entry({.name = "pax", .type = 'x', .size = "77777777777"})) ==
        "read the tar archive: the extended headers of an entry are larger than 1 MiB");
  CHECK(why(entry({.name = "long", .type = 'L', .size = "77777777777"})) ==
        "read the tar archive: the extended headers of an entry are larger than 1 MiB");
  // many of them would take as much memory as they like
  std::string many;
  for (int i = 0; i < 5; ++i)
    many += pax(pax_record("SCHILY.xattr.user." + std::to_string(i), std::string(250000, 'v')));
  CHECK(why(many + entry({.name = "f"})) ==
        "read the tar archive: the extended headers of an entry are larger than 1 MiB");
}

TEST_CASE("GNU long names") {
  const std::string name(200, 'n'), link(250, 'l');
  const auto entries = read_all(entry({.name = "././@LongLink", .type = 'L', .data = name + '\0'}) +
                                entry({.name = "././@LongLink", .type = 'K', .data = link + '\0'}) +
                                entry({.name = "cut", .type = '2', .link = "cut"}));
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].name == name);
  CHECK(entries[0].link == link);
  CHECK(why(entry({.name = "x", .type = 'L', .data = std::string(5000, 'n')}) + entry({.name = "f"}))
            .find("longer than 4095") != std::string::npos);
}

TEST_CASE("numbers: octal, and base 256") {
  CHECK(parse_tar_number(std::string_view("0000644\0", 8)) == 0644);
  CHECK(parse_tar_number("    644 ") == 0644);
  CHECK(parse_tar_number(std::string_view("\0\0\0\0\0\0\0\0", 8)) == 0);
  CHECK(parse_tar_number("77777777777") == 077777777777);
  CHECK_FALSE(parse_tar_number("0000689 "));
  CHECK_FALSE(parse_tar_number("-000001 "));
  CHECK_FALSE(parse_tar_number("1 2"));
  CHECK(parse_tar_number(tar_number({0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0})) == 256);
  CHECK(parse_tar_number(tar_number({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe})) == -2);
  CHECK(parse_tar_number(tar_number({0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})) ==
        std::numeric_limits<std::int64_t>::max());
  CHECK_FALSE(parse_tar_number(tar_number({0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0})));
  CHECK_FALSE(parse_tar_number(tar_number({0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})));
  CHECK(parse_tar_number(tar_number({0x80, 0, 0, 0, 0, 0x2d, 0xc6, 0xc0})) == 3000000);
}

TEST_CASE("negative sizes and wrong checksums are errors") {
  const std::string negative = tar_number({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00});
  CHECK(why(entry({.name = "f", .size = negative})).find("size is out of range") != std::string::npos);
  CHECK(why(entry({.name = "f", .good_checksum = false})) == "read the tar archive: a header has a wrong checksum");
}

TEST_CASE("times") {
  CHECK(parse_pax_time("10") == std::pair<std::int64_t, std::uint32_t>{10, 0});
  CHECK(parse_pax_time("10.5") == std::pair<std::int64_t, std::uint32_t>{10, 500000000});
  CHECK(parse_pax_time("-1.25") == std::pair<std::int64_t, std::uint32_t>{-2, 750000000});
  CHECK(parse_pax_time("1.0000000019") == std::pair<std::int64_t, std::uint32_t>{1, 1});
  CHECK_FALSE(parse_pax_time(""));
  CHECK_FALSE(parse_pax_time("1.x"));
  CHECK_FALSE(parse_pax_time("99999999999999999999"));
}

TEST_CASE("types: old directories, devices, and what nobody knows") {
  CHECK(read_all(entry({.name = "d/", .type = '\0'}))[0].type == EntryType::kDirectory);
  CHECK(why(entry({.name = "f", .type = 'V'})).find("unknown type 86") != std::string::npos);
  CHECK(why(entry({.name = "l", .type = '2'})).find("empty link target") != std::string::npos);
}

TEST_CASE("the size of a hard link means nothing") {
  const auto entries =
      read_all(entry({.name = "l", .type = '1', .link = "f", .size = "00000001000"}) + entry({.name = "g"}));
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].link == "f");
  CHECK(entries[1].name == "g");
}

TEST_CASE("sparse files: PAX 0.0, 0.1 and 1.0") {
  const std::vector<Segment> map{{1024, 3}, {4096, 2}};
  const std::string size = pax_record("GNU.sparse.size", "5000");
  const std::string zero = pax(size + pax_record("GNU.sparse.numblocks", "2") +
                               pax_record("GNU.sparse.offset", "1024") + pax_record("GNU.sparse.numbytes", "3") +
                               pax_record("GNU.sparse.offset", "4096") + pax_record("GNU.sparse.numbytes", "2"));
  const std::string point_one =
      pax(size + pax_record("GNU.sparse.name", "f") + pax_record("GNU.sparse.map", "1024,3,4096,2"));
  const std::string one = pax(pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                              pax_record("GNU.sparse.name", "f") + pax_record("GNU.sparse.realsize", "5000"));
  const std::string leading = test::padded("2\n1024\n3\n4096\n2\n");
  for (const std::string& archive :
       {zero + entry({.name = "f", .data = "abcde"}), point_one + entry({.name = "x", .data = "abcde"}),
        one + entry({.name = "x", .data = leading + "abcde"})}) {
    const auto entries = read_all(archive);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].name == "f");
    CHECK(entries[0].size == 5000);
    CHECK(entries[0].stored == 5);
    REQUIRE(entries[0].sparse);
    CHECK(*entries[0].sparse == map);
    CHECK(data_of(archive, 100) == "abcde");
  }
}

TEST_CASE("sparse files: old GNU") {
  std::string block = entry({.name = "f", .type = 'S', .size = test::octal(5, 11), .magic = "ustar  "}).substr(0, 512);
  const auto put = [&](std::size_t at, const std::string& text) {
    std::memcpy(block.data() + at, text.data(), text.size());
  };
  put(386, test::octal(512, 11));
  put(398, test::octal(5, 11));
  put(483, test::octal(1000, 11));
  test::seal(block);
  const std::string archive = block + test::padded("abcde");
  const auto entries = read_all(archive);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].size == 1000);
  CHECK(*entries[0].sparse == std::vector<Segment>{{512, 5}});
  CHECK(data_of(archive, 512) == "abcde");
}

TEST_CASE("maps of sparse files that lie are errors") {
  const std::string size = pax_record("GNU.sparse.size", "100");
  for (const char* map : {"50,10,40,10", "95,10", "0,5,1", "0,4", "18446744073709551615,1", "0,5,0,5"})
    CHECK(why(pax(size + pax_record("GNU.sparse.map", map)) + entry({.name = "f", .data = "abcde"})) != "no error");
  CHECK(why(pax(pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.realsize", "5")) +
            entry({.name = "f", .data = "99999999\n"})) != "no error");
}
