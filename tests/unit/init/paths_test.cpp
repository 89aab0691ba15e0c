// SPDX-License-Identifier: Apache-2.0
// A rootfs is hostile: whatever its links say, nothing outside is opened or made.
#include "init/paths.hpp"

#include <sys/stat.h>

#include <cerrno>

#include "unit/init/init_fixtures.hpp"

using namespace wherry;
using namespace wherry::init;
namespace fs = std::filesystem;

namespace {

TextView view(const std::string& text) { return {text.c_str(), static_cast<uint32_t>(text.size())}; }

// A rootfs with a neighbour that it must never reach.
struct Tree {
  test::TemporaryDirectory base;
  fs::path root = base / "root";
  fs::path outside = base / "outside";
  std::unique_ptr<Context> context = test::make_context();

  Tree() {
    fs::create_directories(root / "dir/sub");
    fs::create_directories(outside);
    base.write("root/file", "inside");
    base.write("outside/secret", "outside");
    context->root = open(root);
  }
  static Fd open(const fs::path& path) {
    auto fd = os::openat(os::kAtFdcwd, path.c_str(), os::kPath | os::kDirectory);
    REQUIRE(fd);
    return std::move(*fd);
  }
  void link(const std::string& target, const std::string& name) const { fs::create_symlink(target, root / name); }
  [[nodiscard]] int fd() const { return context->root.get(); }

  [[nodiscard]] bool outside_is_untouched() const {
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(outside)) ++entries;
    return entries == 1;
  }
};

bool same_file(int fd, const fs::path& path) {
  struct stat left {
  }, right{};
  return ::fstat(fd, &left) == 0 && ::stat(path.c_str(), &right) == 0 && left.st_ino == right.st_ino &&
         left.st_dev == right.st_dev;
}

int error_of(const os::Result<Fd>& result) { return result ? 0 : result.error(); }

}  // namespace

TEST_CASE("paths: open_in_root stays in the root", "[init]") {
  const Tree tree;
  tree.link("/", "slash");
  tree.link("../../../..", "up");
  tree.link("/outside/secret", "absolute");
  tree.link("../outside/secret", "relative");
  for (const char* path : {"/", "", "..", "/..", "/../..", "slash", "up", "/dir/../..", "/slash/up/slash/.."}) {
    INFO(path);
    auto opened = open_in_root(tree.fd(), path, os::kPath | os::kDirectory);
    REQUIRE(opened);
    CHECK(same_file(opened->get(), tree.root));
  }
  for (const char* path : {"absolute", "relative", "up/outside", "/../outside/secret"}) {
    INFO(path);
    CHECK(error_of(open_in_root(tree.fd(), path, os::kRdOnly)) == ENOENT);
  }
  auto file = open_in_root(tree.fd(), "/slash/dir/../file", os::kRdOnly);
  REQUIRE(file);
  CHECK(same_file(file->get(), tree.root / "file"));
}

TEST_CASE("paths: no link at all where links are refused", "[init]") {
  const Tree tree;
  tree.link("dir", "alias");
  CHECK(open_in_root(tree.fd(), "/dir/sub", os::kPath, Links::kRefuse));
  CHECK(error_of(open_in_root(tree.fd(), "/alias", os::kPath, Links::kRefuse)) == ELOOP);
  CHECK(error_of(open_in_root(tree.fd(), "/alias/sub", os::kPath, Links::kRefuse)) == ELOOP);
  CHECK(error_of(make_directory(tree.fd(), view("/alias"), Links::kRefuse)) == ELOOP);
  CHECK(error_of(make_directory(tree.fd(), view("/alias/new"), Links::kRefuse)) == ELOOP);
  CHECK_FALSE(fs::exists(tree.root / "dir/new"));
}

TEST_CASE("paths: magic links lead nowhere", "[init]") {
  auto proc = os::openat(os::kAtFdcwd, "/proc", os::kPath | os::kDirectory);
  REQUIRE(proc);
  CHECK(error_of(open_in_root(proc->get(), "/self/root", os::kPath)) == ELOOP);
  CHECK(error_of(open_in_root(proc->get(), "/self/cwd", os::kPath)) == ELOOP);
  CHECK(error_of(open_in_root(proc->get(), "/self/exe", os::kPath)) == ELOOP);
  CHECK(error_of(make_directory(proc->get(), view("/self/cwd/x"))) == ELOOP);
}

TEST_CASE("paths: make_directory makes what is missing", "[init]") {
  const Tree tree;
  for (const std::string path :
       {"/new", "/dir/sub/deep", "/a/b/c/d", "/e/f/", "//g///h//", "i/j", "/k/./l", "/dir/../m"}) {
    INFO(path);
    auto made = make_directory(tree.fd(), view(path));
    REQUIRE(made);
    CHECK(same_file(made->get(), tree.root / fs::path(path).relative_path()));
  }
  for (const std::string path : {"/", "", "/dir", "/dir/", "/dir/sub/.."}) {
    INFO(path);
    CHECK(make_directory(tree.fd(), view(path)));
  }
  struct stat status {};
  REQUIRE(::stat((tree.root / "a/b").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777 & ~0755U) == 0);
  CHECK(tree.outside_is_untouched());
}

TEST_CASE("paths: make_directory goes through links inside the root only", "[init]") {
  const Tree tree;
  tree.link("/dir", "absolute");
  tree.link("../../..", "up");
  tree.link("/outside", "outward");
  REQUIRE(make_directory(tree.fd(), view("/absolute/made")));
  CHECK(fs::is_directory(tree.root / "dir/made"));
  REQUIRE(make_directory(tree.fd(), view("/up/outside/made")));
  CHECK(fs::is_directory(tree.root / "outside/made"));
  REQUIRE(make_directory(tree.fd(), view("/outward/again")));  // "/outside" of the root, since the line above
  CHECK(fs::is_directory(tree.root / "outside/again"));
  CHECK(tree.outside_is_untouched());
}

TEST_CASE("paths: what a dangling link names is made, inside the root", "[init]") {
  Tree tree;
  tree.link("/nowhere/deep", "dangling");
  tree.link("../../../outside/relative", "dir/climbing");
  tree.link("/dangling/file", "leaf");
  CHECK(make_directory(tree.fd(), view("/dangling/x/y")));
  CHECK(fs::is_directory(tree.root / "nowhere/deep/x/y"));
  CHECK(make_directory(tree.fd(), view("/dir/climbing")));
  CHECK(fs::is_directory(tree.root / "outside/relative"));
  CHECK(make_file(*tree.context, view("/leaf")));
  CHECK(fs::is_regular_file(tree.root / "nowhere/deep/file"));
  CHECK(tree.outside_is_untouched());
}

TEST_CASE("paths: links that are refused are not followed to what they name", "[init]") {
  Tree tree;
  tree.link("/nowhere", "dangling");
  CHECK(error_of(make_directory(tree.fd(), view("/dangling"), Links::kRefuse)) == ELOOP);
  CHECK_FALSE(fs::exists(tree.root / "nowhere"));
}

TEST_CASE("paths: loops are errors", "[init]") {
  Tree tree;
  tree.link("loop", "loop");
  CHECK(error_of(make_directory(tree.fd(), view("/loop"))) == ELOOP);
  CHECK(error_of(make_directory(tree.fd(), view("/loop/x"))) == ELOOP);
  CHECK(error_of(make_file(*tree.context, view("/loop"))) == ELOOP);
}

TEST_CASE("paths: a file in the way", "[init]") {
  Tree tree;
  CHECK(error_of(make_directory(tree.fd(), view("/file"))) == ENOTDIR);
  CHECK(error_of(make_directory(tree.fd(), view("/file/x"))) == ENOTDIR);
  CHECK(error_of(make_directory(tree.fd(), view("/file/x/y"))) == ENOTDIR);
  CHECK(error_of(make_file(*tree.context, view("/file/x"))) == ENOTDIR);
}

TEST_CASE("paths: make_file keeps what is there and makes an empty file else", "[init]") {
  Tree tree;
  auto there = make_file(*tree.context, view("/file"));
  REQUIRE(there);
  CHECK(same_file(there->get(), tree.root / "file"));
  CHECK(fs::file_size(tree.root / "file") == 6);
  for (const std::string path : {"/new", "/x/y/z", "relative", "/dir/sub/../w"}) {
    INFO(path);
    auto made = make_file(*tree.context, view(path));
    REQUIRE(made);
    CHECK(same_file(made->get(), tree.root / fs::path(path).relative_path()));
    CHECK(fs::is_regular_file(tree.root / fs::path(path).relative_path()));
  }
  tree.link("/outside/new", "outward");
  CHECK(make_file(*tree.context, view("/outward")));  // of the root's own "/outside"
  CHECK(fs::is_regular_file(tree.root / "outside/new"));
  CHECK(make_file(*tree.context, view("/dir")));  // whatever stands there: the caller looks
  CHECK(tree.outside_is_untouched());
}

TEST_CASE("paths: make_parent splits off the last component", "[init]") {
  Tree tree;
  const auto split = [&](const std::string& path) {
    auto place = make_parent(*tree.context, view(path));
    return place ? std::string(place->name) : "error " + std::to_string(place.error());
  };
  CHECK(split("/dev/null") == "null");
  CHECK(fs::is_directory(tree.root / "dev"));
  CHECK(split("name") == "name");
  CHECK(split("/a/b/c") == "c");
  const std::string invalid = "error " + std::to_string(EINVAL);
  for (const char* path : {"", "/", "//", ".", "..", "/dir/.", "/dir/..", "/dir/name/"}) {
    INFO(path);
    CHECK(split(path) == invalid);
  }
}

TEST_CASE("paths: make_parent looks anew when the directory is another", "[init]") {
  Tree tree;
  const auto parent_is = [&](const std::string& path, const fs::path& expected) {
    auto place = make_parent(*tree.context, view(path));
    REQUIRE(place);
    return same_file(place->parent, expected);
  };
  CHECK(parent_is("/dir/a", tree.root / "dir"));
  CHECK(parent_is("/dir/b", tree.root / "dir"));
  CHECK(parent_is("/dir/sub/c", tree.root / "dir/sub"));
  CHECK(parent_is("/dir/d", tree.root / "dir"));
  CHECK(parent_is("/e", tree.root));
  CHECK(parent_is("f", tree.root));
  // Longer than what is remembered.
  const std::string long_name(100, 'n');
  CHECK(parent_is("/" + long_name + "/g", tree.root / long_name));
  CHECK(parent_is("/dir/h", tree.root / "dir"));
  CHECK(parent_is("/" + long_name + "/i", tree.root / long_name));
  CHECK(parent_is("?", tree.root));
}

TEST_CASE("paths: long paths", "[init]") {
  Tree tree;
  std::string deep;
  while (deep.size() < 3800) deep += "/component";
  CHECK(make_directory(tree.fd(), view(deep)));
  CHECK(make_file(*tree.context, view(deep + "/file")));
  const std::string component = "/" + std::string(256, 'c');
  CHECK(error_of(make_directory(tree.fd(), view(component))) == ENAMETOOLONG);
  CHECK(error_of(make_file(*tree.context, view(component))) == ENAMETOOLONG);
  while (deep.size() <= 4200) deep += "/component";
  CHECK(error_of(make_directory(tree.fd(), view(deep))) == ENAMETOOLONG);
  CHECK(error_of(make_file(*tree.context, view(deep + "/file"))) == ENAMETOOLONG);
  auto place = make_parent(*tree.context, view(deep + "/name"));
  REQUIRE_FALSE(place);
  CHECK(place.error() == ENAMETOOLONG);
}
