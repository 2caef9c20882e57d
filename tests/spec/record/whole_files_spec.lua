-- Whoever writes a file of a record or of a dataset anew does it in one way: whole or not at all, for its
-- owner only where its folder is, with nothing left beside it, and with the reason where it cannot.
local core = require "moonpulse.core"
local disk = require "moonpulse.bids.disk"
local files = require "moonpulse.record.file"
local lfs = require "lfs"
local manifests = require "moonpulse.record.manifest_file"
local shell = require "shell"
local sidecar = require "moonpulse.record.sidecar"
local sources = require "moonpulse.record.sources"

local function manifest(record)
  local ok, problem = pcall(manifests.write, record, { status = "completed" })
  return ok, not ok and problem.message or nil
end

local writers = {
  { "x.txt", function(folder) return files.put(folder .. "/x.txt", "new") end },
  { "manifest.json", function(folder) return manifest { folder = folder } end },
  { "events.json", function(folder)
    local problem = sidecar.write { folder = folder, conditions = {} }
    return problem == nil, problem
  end },
  { "resolved.plan", function(folder) return sources.write(folder .. "/resolved.plan", "new") end },
  { "sub-01.tsv", function(folder) return disk.put(folder .. "/sub-01.tsv", "new") end },
  { "copy.tsv", function(folder) return disk.put(folder .. "/copy.tsv", { copy = folder .. "/from" }) end },
}

describe("a file that is written anew", function()
  local folder

  before_each(function()
    folder = shell.folder()
    lfs.mkdir(folder .. "/run")
    os.execute("chmod 700 " .. folder .. "/run")
    shell.write(folder .. "/run/from", "new")
  end)

  after_each(function()
    core.most_file()
    shell.remove(folder)
  end)

  for _, writer in ipairs(writers) do
    local name, write = table.unpack(writer)
    it("is whole, private and alone: " .. name, function()
      local run = folder .. "/run"
      shell.write(run .. "/" .. name, "old")
      local elsewhere = folder .. "/elsewhere"
      shell.write(elsewhere, "not ours")
      lfs.link(elsewhere, run .. "/" .. name .. ".new", true) -- nothing is written through it
      assert.is_true(write(run))
      assert.are_not.equal("old", shell.read(run .. "/" .. name))
      assert.are.equal("not ours", shell.read(elsewhere))
      assert.are.equal("rw-------", lfs.attributes(run .. "/" .. name, "permissions"))
      local left = shell.names(run)
      table.sort(left)
      local wanted = { "from", name }
      table.sort(wanted)
      assert.are.same(wanted, left)
      os.execute("chmod 750 " .. run)
      assert.is_true(write(run))
      assert.are.equal("rw-r-----", lfs.attributes(run .. "/" .. name, "permissions"))
    end)

    it("stays as it was where the disk does not take it: " .. name, function()
      local run = folder .. "/run"
      shell.write(run .. "/" .. name, "old")
      core.most_file(0)
      local ok, message = write(run)
      core.most_file()
      assert.is_falsy(ok)
      assert.matches("File too large", message, 1, true)
      assert.are.equal("old", shell.read(run .. "/" .. name))
      assert.are.equal(2, #shell.names(run))
    end)
  end
end)
