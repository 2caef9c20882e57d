-- Of trials in blocks the intervals are those within a block; the breaks between blocks are told apart.
local shell = require "shell"
local stimuli = require "moonpulse.methods.stimuli"

describe("a methods section of trials in blocks", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("tells the intervals within blocks, and the breaks between them apart", function()
    local function of(blocks)
      local list, at = { count = #blocks, at = {}, trial = {}, kind = {}, kinds = {} }, 0
      for i, block in ipairs(blocks) do
        at = at + (i > 1 and (block == blocks[i - 1] and 6 or 20) or 0)
        list.at[i], list.trial[i], list.kind[i] = at, false, i
        list.kinds[i] = { channel = "1", intensity = 50, reference = "MSO", block = block or nil }
      end
      local found = stimuli.of(list)
      return { found.shortest, found.longest, found.mean, found.break_shortest or false,
        found.break_longest or false }
    end
    assert.are.same({ 6, 6, 6, 20, 20 }, of { 1, 1, 1, 2, 2, 2 })
    assert.are.same({ 6, 6, 6, 20, 20 }, of { false, false, 1, 1, false, false, 2, 2 })
    assert.are.same({ 6, 6, 6, false, false }, of { 1, 1, 1 })
    assert.are.same({ 6, 6, 6, false, false }, of { false, false })
    assert.are.same({ 20, 20, 20, false, false }, of { 1, 2, 3 }) -- a block for each
  end)

  it("says the breaks between blocks beside the intervals, in sentences and sheets", function()
    local path = folder .. "/blocks.lua"
    shell.write(path, 'local mp = require "moonpulse"\nreturn mp.protocol { id = "b", name = "B",\n'
      .. '  plan = function() return mp.trials { of = { mp.pulse(mp.mso(50)), mp.pulse(mp.mso(60)) },\n'
      .. '    shortest = 6, longest = 7 }:block():times(3, { gap = 20 }) end }\n')
    local status, said, err = shell.moonpulse(folder, ("run %s --seed 3 --speed max --out %s/runs"):format(
      path, folder))
    assert.are.equal(0, status, err)
    local kept = said:match "\nrecord +(%S+)"
    for _, what in ipairs { path .. " --seed 3", kept } do
      local _, text = shell.moonpulse(folder, ("methods %s --checklist chipchase"):format(what))
      local low, high, more = text:match("time between MEP trials\tfilled\t(6%.?%d*) s to ([67]%.?%d*) s "
        .. "from onset to onset of stimuli, 6%.%d+ s in the mean; from block to block ([%d.]+) s")
      assert.is_true(tonumber(low) < tonumber(high) and tonumber(more) >= 20, text)
    end
    local _, text = shell.moonpulse(folder, "methods " .. kept)
    assert.matches("From the last of a block to the first of the next it was 2%d", (text:gsub("%s+", " ")))
  end)
end)
