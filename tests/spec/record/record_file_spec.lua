--- The files of a run as the engine makes and reads them: for whom, in place of what, and what became of
--- them.
local core = require "moonpulse.core"
local lfs = require "lfs"
local shell = require "shell"

local folder
before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

--- Its mode in octal digits, as chmod takes them.
local function mode(path)
  local _, out = shell.sh(folder, "stat -c %a " .. path)
  return out:match("%d+")
end

--- A new file with a text in it, flushed.
local function made(path, text)
  local file = assert(core.create_file(path))
  assert(file:write(text))
  assert(file:flush())
  return file
end

describe("a folder of a run", function()
  it("is its owner's, or also its group's, whatever the umask; and is made once", function()
    for _, umask in ipairs { "000", "022", "077", "777" } do
      shell.write(folder .. "/make.lua", ([[local core = require "moonpulse.core"
        assert(core.make_folder(%q) == true and core.make_folder(%q, true) == true)]]):format(
        folder .. "/own" .. umask, folder .. "/group" .. umask))
      assert.are.equal(0, (shell.sh(folder, ("umask %s; %s lua %s/make.lua"):format(umask, shell.program,
        folder))))
      assert.are.equal("700", mode(folder .. "/own" .. umask))
      assert.are.equal("750", mode(folder .. "/group" .. umask))
    end
    local again, message = core.make_folder(folder .. "/own022")
    assert.is_nil(again)
    assert.matches("own022: File exists", message, 1, true)
  end)

  it("gives what it has of its group's to what lies in it", function()
    os.execute(("mkdir %s/shared && chmod 2775 %s/shared"):format(folder, folder))
    assert(core.make_folder(folder .. "/shared/run", true))
    assert.are.equal("2750", mode(folder .. "/shared/run"))
  end)
end)

describe("a file of a run", function()
  it("is as open to others as its folder, whatever the umask", function()
    for given, wanted in pairs { ["700"] = "600", ["750"] = "640", ["755"] = "644", ["770"] = "660",
      ["777"] = "666", ["740"] = "600", ["711"] = "600", ["733"] = "622" } do
      os.execute(("mkdir -p %s/%s && chmod %s %s/%s"):format(folder, given, given, folder, given))
      local path = ("%s/%s/x"):format(folder, given)
      made(path, "text"):close()
      assert.are.equal(wanted, mode(path), given)
      os.execute("chmod 600 " .. path)
      core.as_folder(path)
      assert.are.equal(wanted, mode(path), given)
    end
  end)

  it("is made anew, in place of a link, and not through it", function()
    shell.write(folder .. "/other", "another's")
    os.execute(("ln -s other %s/link"):format(folder))
    made(folder .. "/link", "ours"):close()
    assert.are.equal("another's", shell.read(folder .. "/other"))
    assert.are.equal("ours", shell.read(folder .. "/link"))
    assert.are.equal("file", lfs.symlinkattributes(folder .. "/link", "mode"))
    made(folder .. "/other", "n"):close()
    assert.are.equal("n", shell.read(folder .. "/other"))
  end)

  it("that cannot be made says which and why", function()
    local file, message = core.create_file(folder .. "/none/x")
    assert.is_nil(file)
    assert.matches("/none/x: No such file", message, 1, true)
    os.execute("mkdir " .. folder .. "/there")
    file, message = core.create_file(folder .. "/there")
    assert.is_nil(file)
    assert.matches("/there: ", message, 1, true)
  end)
end)

describe("what became of a file", function()
  it("is told by its lines and its checksum", function()
    local text = ("a row\n"):rep(30000) .. "the last"
    local file <close> = made(folder .. "/x", text)
    local sum = core.sum()
    sum:add(text)
    local fd, ours, lines, its_sum = core.file_state(file, folder .. "/x")
    assert.are.same({ "integer", true, 30000, sum:text() }, { math.type(fd), ours, lines, its_sum })
    file:write("\n\n")
    file:flush()
    assert.are.equal(30002, (select(3, core.file_state(file, folder .. "/x"))))
    assert.are_not.equal(sum:text(), (select(4, core.file_state(file, folder .. "/x"))))
  end)

  it("is told where another lies in its place, or none, or a link", function()
    local file <close> = made(folder .. "/x", "one\n")
    os.execute(("cp %s/x %s/y"):format(folder, folder))
    assert.is_true((select(2, core.file_state(file, folder .. "/x"))))
    assert.is_false((select(2, core.file_state(file, folder .. "/y"))))
    assert.is_false((select(2, core.file_state(file, folder .. "/none"))))
    os.execute(("mv %s/x %s/moved && ln -s moved %s/x"):format(folder, folder, folder))
    assert.is_false((select(2, core.file_state(file, folder .. "/x"))))
    assert.is_true((select(2, core.file_state(file, folder .. "/moved"))))
  end)

  it("is told where a part of it is zeros", function()
    local file <close> = made(folder .. "/x", ("row\n"):rep(20000))
    os.execute(("truncate -s 0 %s/x"):format(folder))
    assert.are.equal(0, (select(3, core.file_state(file, folder .. "/x"))))
    file:write("row\n")
    file:flush()
    assert.are.equal(-1, (select(3, core.file_state(file, folder .. "/x"))))
  end)
end)

describe("a file that others may have sent", function()
  it("is read whole, to the byte that is allowed, and refused with its size beyond", function()
    for _, bytes in ipairs { 0, 1, 65535, 65536, 65537, 200000 } do
      local text = ("\0x"):rep(bytes // 2) .. ("y"):rep(bytes % 2)
      shell.write(folder .. "/x", text)
      assert.are.equal(text, core.read_file(folder .. "/x", bytes))
      if bytes > 0 then
        local none, message = core.read_file(folder .. "/x", bytes - 1)
        assert.is_nil(none)
        assert.matches(("/x: %d bytes, and no more than %d are read"):format(bytes, bytes - 1), message, 1,
          true)
      end
    end
  end)

  it("is refused where something else lies in its place, at once", function()
    os.execute(("mkfifo %s/fifo; mkdir %s/folder"):format(folder, folder))
    for _, path in ipairs { folder .. "/fifo", folder .. "/folder", "/dev/zero" } do
      local none, message = core.read_file(path, 1000)
      assert.is_nil(none)
      assert.are.equal(path .. ": it is no file but something else in its place", message)
    end
    local none, message = core.read_file(folder .. "/gone", 1000)
    assert.is_nil(none)
    assert.matches("/gone: No such file", message, 1, true)
  end)
end)

describe("the lock of a folder", function()
  it("is had by one, until it is closed or forgotten", function()
    local lock = assert(core.lock_folder(folder))
    assert.is_false((core.lock_folder(folder)))
    lock:close()
    lock:close()
    do
      local another <close> = assert(core.lock_folder(folder))
      assert.is_false((core.lock_folder(folder)))
      assert.is_truthy(another)
    end
    assert(core.lock_folder(folder))
    collectgarbage()
    collectgarbage()
    assert(core.lock_folder(folder)):close()
    local none, message = core.lock_folder(folder .. "/gone")
    assert.is_nil(none)
    assert.matches("/gone: No such file", message, 1, true)
  end)
end)

describe("a checksum", function()
  it("is FNV-1a of 64 bits", function() -- the vectors of draft-eastlake-fnv
    assert.are.equal("cbf29ce484222325", core.checksum(""))
    assert.are.equal("af63dc4c8601ec8c", core.checksum("a"))
    assert.are.equal("85944171f73967e8", core.checksum("foobar"))
    assert.are_not.equal(core.checksum("a\0b"), core.checksum("a\0c"))
  end)
end)
