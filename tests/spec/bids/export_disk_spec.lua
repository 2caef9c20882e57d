-- moonpulse export on the disk: who may read what it writes, where it writes, and one at a time.
local bids = require "bids"
local core = require "moonpulse.core"
local lfs = require "lfs"
local shell = require "shell"

describe("export on the disk", function()
  local folder, run, other

  setup(function()
    folder = shell.folder()
    run = bids.run(folder, "itbs600 --amt 40")
    other = bids.run(folder, "itbs600 --amt 41 --share-with-group")
  end)
  teardown(function() shell.remove(folder) end)

  --- Each path below a folder with its rights.
  local function rights(path, into)
    into[path] = lfs.attributes(path, "permissions")
    if lfs.attributes(path, "mode") == "directory" then
      for _, name in ipairs(shell.names(path)) do
        rights(path .. "/" .. name, into)
      end
    end
    return into
  end

  it("is as open as the run's folder is, whatever the umask", function()
    for i, each in ipairs { run, other } do
      local wanted = { directory = i == 1 and "rwx------" or "rwxr-x---",
        file = i == 1 and "rw-------" or "rw-r-----" }
      local made = {}
      for _, what in ipairs { "bids %s --sub 01 --bids", "crate %s -o" } do
        local path = ("%s/%s%d"):format(folder, what:match("%a+"), i)
        made[#made + 1] = path
        local status, _, err = shell.sh(folder, ("umask 022; %s export %s %s"):format(shell.program,
          what:format(each), path))
        assert.are.equal(0, status, err)
      end
      local count = 0
      for _, path in ipairs(made) do
        for file, found in pairs(rights(path, {})) do
          assert.are.equal(wanted[lfs.attributes(file, "mode")], found, file)
          count = count + 1
        end
      end
      assert(count > 40)
    end
  end)

  it("writes nothing through a link in the place of a folder", function()
    for _, name in ipairs { "sub-02", "sourcedata", "stimuli", "phenotype", "sourcedata/sub-02" } do
      local path = ("%s/links_%s"):format(folder, name:gsub("/", "_"))
      local outside = path .. "_outside"
      assert.are.equal(0, (shell.moonpulse(folder, ("export bids %s --sub 01 --bids %s"):format(run, path))))
      assert(lfs.mkdir(outside))
      local before = shell.read(path .. "/participants.tsv")
      assert.are.equal(0, (shell.sh(folder, ("cd %s && rm -rf %s && ln -s %s %s"):format(path, name, outside,
        name))))
      local status, out, err = shell.moonpulse(folder, ("export bids %s --sub 02 --bids %s"):format(other,
        path))
      assert(status ~= 0 and out == "", out)
      assert.matches(name .. " is a link", err, 1, true)
      assert.are.same({}, shell.names(outside))
      assert.are.equal(before, shell.read(path .. "/participants.tsv"))
    end
  end)

  it("is alone in a dataset: another one is refused and loses nothing", function()
    local path = folder .. "/alone"
    assert(lfs.mkdir(path))
    do
      local lock <close> = core.lock_folder(path)
      assert(lock)
      local status, out, err = shell.moonpulse(folder, ("export bids %s --sub 01 --bids %s"):format(run,
        path))
      assert.are.same({ 2, "" }, { status, out })
      assert.matches("another moonpulse export is at work there: wait until it has ended", err, 1, true)
      assert.are.same({}, shell.names(path))
    end
    local commands = {}
    for i, each in ipairs { run, other } do -- whoever is refused comes again
      commands[i] = ("for n in $(seq 50); do %s export bids %s --sub 0%d --bids %s && break; "
        .. "sleep 0.1; done"):format(
        shell.program, each, i, path)
    end
    shell.together(folder, commands)
    local text = shell.read(path .. "/participants.tsv")
    assert.are.equal("participant_id\nsub-01\nsub-02\n", (text:gsub("(\nsub%-02)(\nsub%-01)", "%2%1")))
  end)

  it("leaves no folder behind where it is refused", function()
    local status = shell.moonpulse(folder, ("export bids %s --sub a_b --bids %s/none"):format(run, folder))
    assert.are.equal(2, status)
    assert.is_nil(lfs.attributes(folder .. "/none", "mode"))
  end)
end)
