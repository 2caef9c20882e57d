--- Which files of a sealed folder are not as they were sealed, whatever they are called.
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"
local shell = require "shell"

local folder
before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

describe("files of a sealed folder", function()
  it("are told where they are changed, gone or new, and only there", function()
    local names = { "manifest.json", "a-b.tsv", "a.b", "n%s+", "[x]", "sources/a-b.lua" }
    os.execute("mkdir " .. folder .. "/sources")
    local lines = {}
    for i, name in ipairs(names) do
      shell.write(folder .. "/" .. name, "text of " .. name)
      lines[i] = seals.line(sha256.of("text of " .. name), name)
    end
    assert.is_nil(seals.changed(folder, names)) -- it is not sealed yet
    shell.write(folder .. "/SHA256SUMS", table.concat(lines))
    assert.are.same({}, seals.changed(folder, names))
    for _, name in ipairs(names) do
      local path = folder .. "/" .. name
      shell.write(path, "another text")
      assert.are.same({ name }, seals.changed(folder, names))
      os.remove(path)
      assert.are.same({ name }, seals.changed(folder, names))
      shell.write(path, "text of " .. name)
    end
    local others = { "manifest_json", "ab.tsv", "-b.tsv", "a_b", "x", "b" } -- never were there
    assert.are.same({}, seals.changed(folder, others))
    for _, name in ipairs(others) do
      shell.write(folder .. "/" .. name, "")
    end
    assert.are.same(others, seals.changed(folder, others))
  end)
end)
