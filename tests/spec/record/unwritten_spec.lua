-- What a record would write is the same text, whatever file it is held against as it comes.
local chance = require "chance"
local shell = require "shell"
local unwritten = require "moonpulse.record.unwritten"

describe("what is not written", function()
  local folder, path

  before_each(function()
    folder = shell.folder()
    path = folder .. "/events.tsv"
  end)

  after_each(function() shell.remove(folder) end)

  it("is told as it came, and whether the file has it", function()
    local alike = 0
    for seed = 1, 600 do
      local draw, parts = chance.new(seed), {}
      for i = 1, draw:draw(0, 6) do
        parts[i] = (draw:pick { "", "a", "bc", "\n", "\0" }):rep(draw:pick { 1, 3, 70000 })
      end
      local text, like = table.concat(parts), table.concat(parts)
      local at = draw:draw(1, #like + 1)
      like = draw:pick { like, like, like .. "x", like:sub(1, at - 1), "",
        like:sub(1, at - 1) .. "x" .. like:sub(at + 1) }
      shell.write(path, like)
      local kept = unwritten.new(path)
      for i = 1, #parts, 2 do
        assert.is_true(kept:write(parts[i], parts[i + 1] or ""))
      end
      kept:close()
      assert.are.equal(text == like, kept:is_like(), "seed " .. seed)
      assert.is_true(kept:text() == text, "seed " .. seed)
      alike = alike + (text == like and 1 or 0)
    end
    assert.is_true(alike > 100 and alike < 500, tostring(alike))
  end)

  it("is held against no file where there is none", function()
    assert.is_true(os.execute(("cd %s && mkfifo pipe && : >real && ln -s real link"):format(folder)))
    for _, name in ipairs { "none", "pipe", "link", "." } do
      local kept = unwritten.new(folder .. "/" .. name)
      kept:write("a", "b")
      assert.is_false(kept:is_like())
      assert.are.equal("ab", kept:text())
    end
  end)
end)
