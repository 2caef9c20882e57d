-- What people write that becomes a cell of a table: a label, a channel's name, a mark. Whoever opens
-- events.tsv gets text, in UTF-8, and no formula.
local fixture = require "job"
local mp = require "moonpulse"
local sha256 = require "moonpulse.text.sha256"
local plan_file = require "moonpulse.protocol.plan_file"
local shell = require "shell"
local verify = require "moonpulse.verify"

local refused = { "=1+1", "@x", "+ICF", "-x|cmd", "\u{FF1D}1", "\xff\xfe", "a\xe4b" }

describe("a text that becomes a cell", function()
  local folder

  fixture.each_test(function(...) folder = ... end)

  it("is refused at its line in Lua", function()
    for _, text in ipairs(refused) do
      for what, source in pairs { label = ":label %q", at = ":at %q" } do
        shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { id = "m", '
          .. 'name = "Made",\nplan = function() return mp.pulse(mp.mso(30))' .. source:format(text)
          .. " end }\n")
        local status, _, err = shell.moonpulse(folder, "show " .. folder .. "/made.lua")
        assert.are.equal(2, status, text)
        assert.matches("made.lua:3: " .. what .. ": ", err, 1, true)
        assert.matches(utf8.len(text) and "does not begin with = %+ %- @" or "UTF%-8 text", err)
        assert.is_truthy(utf8.len(err))
      end
    end
    assert.has_error(function() mp.mark "\xff" end)
  end)

  it("may be anything else", function()
    for _, text in ipairs { "SICI", "é", "TS = 2", "a-b", "12", "(x)", "ISI +3" } do
      assert.is_true(pcall(function() return mp.pulse(mp.mso(30)):label(text) end), text)
    end
  end)

  it("is refused at its line in a plan file", function()
    local plan = (mp.pulse(mp.mso(30)):label "LABEL" .. mp.rest(5)):at "CHANNEL" .. mp.mark "MARK"
    local text = plan_file.write(plan, { seed = 1 }):gsub("sha256 %x+\n$", "")
    local function read(word, by)
      local changed, count = text:gsub(word, (by:gsub("%%", "%%%%")))
      assert.is_true(count > 0, word)
      return plan_file.read(changed .. "sha256 " .. sha256.of(changed) .. "\n", "x.plan")
    end
    assert.is_table(read("LABEL", "SICI"))
    for _, by in ipairs { "=1+1", "@x", "-x|cmd", "+y", "\xff\xfe", "NA", " a", "None" } do
      local found, message = read("LABEL", by)
      assert.is_nil(found, by)
      assert.matches("^x.plan:%d+: label: ", message)
    end
    for word, list in pairs { CHANNEL = { "=1+1", "@x", "\xff\xfe" }, MARK = { "\xff\xfe" },
      ['"pulse"'] = { '"=1+1"', '"\xff"' } } do
      for _, by in ipairs(list) do
        local found, message = read(word, by)
        assert.is_nil(found, by)
        assert.matches(word == "MARK" and "^x.plan:%d+: a mark: \"\\xFF\\xFE\": it is UTF%-8 text "
          or "^x.plan:%d+: .*, and not \"", message)
        assert.is_truthy(utf8.len(message))
      end
    end
  end)

  it("of a script is written so that it is neither a formula nor a quoted cell, and verifies", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for _, text in ipairs { '"quoted" mark', "=1+1", "@x", "-5", "\xff\xfe", "a\tb" } do
          run:mark(text)
          run:note(text)
        end
        stim:fire(mp.pulse(mp.mso(30)))
      end)]])
    local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --speed max --out %s/runs"):format(
      folder, folder))
    assert.are.equal(0, status, err)
    local run = fixture.run_in(folder .. "/runs")
    assert.are.same({}, verify.folder(run, {}).differs)
    local text = shell.read(run .. "/events.tsv")
    assert.is_truthy(utf8.len(text))
    assert.is_truthy(utf8.len(shell.read(run .. "/journal.jsonl")))
    assert.matches('\t\\x3D1+1\t', text, 1, true)
    for line in text:gmatch("[^\n]+") do
      for cell in line:gmatch("[^\t]+") do
        assert.is_true(tonumber(cell) ~= nil or not cell:find('^["=+%-@]'), cell)
      end
    end
  end)
end)
