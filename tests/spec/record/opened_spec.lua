-- The folder of a run is opened in one way: what is none is named, and what to type is a command that a shell
-- takes.
local crates = require "moonpulse.provenance.facts"
local opened = require "moonpulse.record.opened"
local recipes = require "moonpulse.rerun.recipe"
local recover = require "moonpulse.record.recover"
local runs = require "moonpulse.bids.run"
local shell = require "shell"
local to_type = require "moonpulse.text.to_type"
local verify = require "moonpulse.verify"

describe("the folder of a run", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("that is none is named by whoever reads one, in the same words", function()
    local function rows(path) return recover.run(path, nil, function() end) end
    for _, read in ipairs { opened.manifest, opened.ended, runs.read, crates.read, recipes.read, rows,
      function(path) return verify.folder(path, {}) end } do
      local found, message = read(folder)
      assert.is_nil(found)
      assert.matches(folder .. " has no manifest.json that can be read: is it the folder of a run?", message,
        1, true)
    end
  end)

  it("of one that was killed is not exported, and what to type is a command of a shell", function()
    for name, typed in pairs { plain = "plain", ["a b"] = "a b", ["Kim's"] = "Kim's",
      ["$(touch x)"] = "x" } do
      local path = folder .. "/" .. name
      assert(os.execute("mkdir " .. to_type.path(path)))
      shell.write(path .. "/manifest.json", '{"status": "running"}')
      for _, read in ipairs { runs.read, crates.read } do
        local found, message = read(path .. "/")
        assert.is_nil(found)
        local command = message:match("its run was killed: moonpulse recover (.*)$")
        local _, out = shell.sh(folder, "printf %s " .. command)
        assert.are.equal(path, out, typed)
      end
    end
    assert.are.equal("'-x'", to_type.path "-x")
  end)
end)
