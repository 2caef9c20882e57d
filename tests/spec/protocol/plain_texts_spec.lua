-- One rule for every text of an author: it stands on one line, and no terminal obeys it. What a file declares
-- is refused at its line; what a script says while it runs is shown with its control characters as \xHH. So
-- no text forges a line of ours.
local cjson = require "cjson"
local escapes = require "moonpulse.text.escapes"
local fixture = require "job"
local plan_file = require "moonpulse.protocol.plan_file"
local shell = require "shell"

-- a line break, tab, ESC, DEL, CSI in one sign, marks and turns of direction, a line separator, no UTF-8
local odd = { "\\n", "\\t", "\\27[2J", "\\127", "\\u{9b}2J", "\\u{80}", "\\u{200f}", "\\u{202e}", "\\u{2066}",
  "\\u{2028}", "\\xff" }

local function file(body)
  return 'local mp = require "moonpulse"\nlocal p = mp.pulse(mp.mso(50))\n' .. body
end

--- What a plan may be, and a protocol, with a text in each place.
local declared = {
  'return mp.mark "%s" .. p', 'return p:at "%s"', 'return p:label "%s"',
  'return mp.together { ["%s"] = p, b = p }',
}
for key in ("id name family cite doi target dose reported session coil threshold"):gmatch "%S+" do
  declared[#declared + 1] = ("return mp.protocol { %s = 'a%%sb', %s plan = function() return p end }"):format(
    key, key == "name" and "" or "name = 'x',")
end
declared[#declared + 1] =
  "return mp.protocol { name = 'x', nerve = { 'a%sb' }, plan = function() return p end }"
declared[#declared + 1] =
  "return mp.protocol { name = 'x', sessions = { gap_min = 'a%sb' }, plan = function() return p end }"

local function is_plain(text)
  return escapes.shown(text, true) == text
end

describe("a text of an author", function()
  local folder

  fixture.each_test(function(...) folder = ... end)

  it("is refused at its line, wherever it is declared", function()
    local path = folder .. "/made.lua"
    for number, body in ipairs(declared) do
      for i = 1 + number % 2, #odd, number <= 4 and 1 or 2 do
        shell.write(path, file((body:gsub("%%s", function() return odd[i] end))))
        local status, out, err = shell.moonpulse(folder, "show " .. path)
        local what = ("%s: status %d: %s%s"):format(shell.read(path), status, out, err)
        assert.are.equal(2, status, what)
        assert.is_truthy(err:find("made.lua:3: ", 1, true), what)
        assert.is_true(is_plain(err) and select(2, err:gsub("\n", "")) == 1, what)
      end
    end
  end)

  it("may have paragraphs where it is prose, which are shown on one line", function()
    shell.write(folder .. "/made.lua", file [[return mp.protocol { name = "x",
      note = "one\nverdict        within", plan = function() return p end }]])
    local status, out, err = shell.moonpulse(folder, "show " .. folder .. "/made.lua")
    assert.are.equal(0, status, err)
    assert.matches("\nnote +one verdict within\n", out)
  end)

  it("is refused in a plan file, with its line", function()
    local lines = 'moonpulse-plan 1\nid "x"\n%s\nnode 1 pulse 50 MSO\nnode 2 %s\nnode 3 sequence 1 2\n'
      .. "root 3\n"
    local function refused(line, other, node)
      local text = lines:format(other, node)
      text = text .. "sha256 " .. plan_file.sha256(text) .. "\n"
      local found, message = plan_file.read(text, "foreign.plan")
      assert.is_nil(found, text)
      assert.matches(("foreign.plan:%d: "):format(line), message, 1, true)
      assert.is_true(is_plain(message) and not message:find("\n"), message)
      return message
    end
    for _, node in ipairs { 'mark "%s"', 'channel 1 "%s"', 'rest 1/1 from "%s"', 'rest 1/1 as "%s"',
      'rest 1/1 label "%s"' } do
      for _, text in ipairs { "a\\x1B[2J", "a\\xC2\\x9B2J", "\\xE2\\x80\\xAEb", "a\\nb" } do
        assert.matches("control characters", refused(5, 'name "x"', node:format(text)), 1, true)
      end
    end
    for _, other in ipairs { 'name "a\\nb"', 'cite "a\\xC2\\x9Bb"', 'nerve "a\\x1Bb"',
      'sessions gap_min "a\\nb"' } do
      refused(3, other, 'mark "b"')
    end
  end)

  it("is shown, where a script says it while it runs", function()
    for i, text in ipairs(odd) do
      local out = ("%s/runs%d"):format(folder, i)
      shell.write(folder .. "/answers", "y\n")
      shell.write(folder .. "/made.lua", ([[local mp = require "moonpulse"
return mp.experiment(function(run)
  run:mark("a%sb") run:note("a%sb") run:ask("a%sb [y/n]") run:stop("a%srecord      FAKE")
end)]]):gsub("%%s", function() return text end))
      local status, said, err = shell.moonpulse(folder, ("run %s/made.lua --speed max --out %s --answers "
        .. "%s/answers"):format(folder, out, folder))
      local what = ("%s: status %d: %s%s"):format(text, status, said, err)
      assert.are.equal(5, status, what)
      assert.is_true(is_plain(said .. err), what)
      assert.is_nil(("\n" .. said .. err):find("\nrecord +FAKE"), what)
      local run = fixture.run_in(out)
      assert.is_true(is_plain((shell.read(run .. "/events.tsv"))), what)
      assert.is_true(is_plain(fixture.manifest(run).result.reason or ""), what)
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)), what)
    end
  end)

  it("begins no line of ours where it is an error of the author's", function()
    for _, body in ipairs { "return mp.protocol { name = 'x', plan = function() error('%s', 0) end }",
      "return mp.experiment(function(run) error('%s', 0) end)", "error('%s')" } do
      local text = "a\\27[2J\\u{9b}b\\nrecord      FAKE\\nverdict     within"
      shell.write(folder .. "/made.lua", file(body:format(text)))
      local status, said, err = shell.moonpulse(folder, ("run %s/made.lua --speed max --out %s/runs"):format(
        folder, folder))
      assert.are.equal(2, status, err)
      assert.is_true(is_plain(said .. err), said .. err)
      assert.matches("record +FAKE", err)
      assert.is_nil(("\n" .. said .. err):find("\nrecord +FAKE"), err)
      assert.is_nil(("\n" .. err):find("\nverdict +within"), err)
    end
  end)

  it("is not that of a path either", function()
    local out = folder .. "/a\27[2J\u{9b}b\nrecord      FAKE"
    for _, command in ipairs { "run sici --rmt 40 --device sim:bistim --speed max --out %s",
      "compile sici -o %s.plan" } do
      local status, said, err = shell.moonpulse(folder, command:format(shell.quote(out)))
      assert.are.equal(0, status, err)
      assert.is_true(is_plain(said .. err), said .. err)
      assert.is_nil(("\n" .. said .. err):find("\nrecord +FAKE"), said)
    end
    local run = fixture.run_in(out)
    local _, said, err = shell.moonpulse(folder, ("rerun %s --out %s"):format(shell.quote(run),
      shell.quote(folder .. "/new\27[2J")))
    assert.is_true(is_plain(said .. err), said .. err)
    assert.is_nil(("\n" .. said .. err):find("\nrecord +FAKE"), said)
    _, said = shell.moonpulse(folder, ("rerun %s --json --out %s"):format(shell.quote(run),
      shell.quote(folder .. "/json\27[2J")))
    assert.is_truthy(cjson.decode(said))
  end)
end)
