-- A record that was edited after it was sealed: it never counts for less, for whomever it was, and is no
-- session.
local cjson = require "cjson"
local clock = require "moonpulse.safety.clock"
local history = require "moonpulse.safety.history"
local indices = require "moonpulse.safety.run_index"
local seals = require "moonpulse.record.seal"
local sessions = require "moonpulse.safety.sessions"
local shell = require "shell"

local folder, out
local now = os.time()

before_each(function()
  folder = shell.folder()
  out = folder .. "/runs"
  os.execute("mkdir " .. shell.quote(out))
end)

after_each(function() shell.remove(folder) end)

local plan = [[local mp = require "moonpulse"
  return mp.protocol { id = "made", name = "Made", sessions = { per_day = 2, total = 3 }, plan = function()
    return mp.train { pulses = 30, hz = 10, intensity = mp.mso(20) } end }]]

--- A run of P07 of 30 pulses, as if it had been on a real device, sealed so.
local function given()
  shell.write(folder .. "/made.lua", plan)
  local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --speed max --participant P07 --out %s")
    :format(folder, out))
  assert.are.equal(0, status, err)
  local names = shell.names(out)
  local path = out .. "/" .. names[#names]
  for _, name in ipairs { "manifest.json", "journal.jsonl" } do
    local text = shell.read(path .. "/" .. name):gsub('("simulated"%s*:%s*)true', "%1false")
      :gsub('("kind":"begin")', os.date('!"at":"%Y-%m-%dT%H:%M:%SZ",%%1', now))
    shell.write(path .. "/" .. name, text)
  end
  os.remove(path .. "/twin.tsv")
  assert(seals.write(path))
  return path
end

local function of(code)
  return history.of(out, code or "P07", now)
end

local function change(path, name, edit)
  local text = shell.read(path .. "/" .. name)
  local edited = edit(text)
  assert.are_not.equal(text, edited)
  shell.write(path .. "/" .. name, edited)
end

describe("a record that was edited", function()
  it("never counts for less than what was given, and is named, whatever was edited", function()
    local function rows_gone(text) return text:match("^[^\n]*\n") end
    local edits = {
      rows = { { "events.tsv", rows_gone } },
      result = { { "manifest.json", function(text)
        return text:gsub('("pulses_sent"%s*:%s*)30', "%13") end } },
      both = { { "events.tsv", rows_gone },
        { "manifest.json", function(text) return text:gsub('("pulses_sent"%s*:%s*)30', "%10") end } },
      all = { { "events.tsv", rows_gone }, { "manifest.json", function(text)
        return (text:gsub('("pulses%a*_?%a*"%s*:%s*)30', "%10")) end } },
      whose = { { "manifest.json", function(text) return text:gsub("P07", "P08") end } },
      simulated = { { "manifest.json", function(text)
        return text:gsub('("simulated"%s*:%s*)false', "%1true") end } },
      nerve = { { "manifest.json", function(text)
        return text:gsub('"pulses"', '"nerve": ["1"], "pulses"', 1) end } },
      older = { { "manifest.json", function(text)
        return text:gsub('("started"%s*:%s*")%d%d%d%d', "%12001") end } },
      running = { { "manifest.json", function(text)
        return text:gsub('("status"%s*:%s*")completed', "%1running", 1) end } },
      broken = { { "manifest.json", function(text) return text:sub(2) end } },
      journal = { { "journal.jsonl", function(text) return text:gsub("P07", "P08") end } },
    }
    for what, list in pairs(edits) do
      os.execute("rm -rf " .. out .. "/*")
      local path = given()
      local before = of()
      assert.are.same({ 30, 30, 1, 0 }, { before.day, before.week, before.sessions, before.edited })
      for _, each in ipairs(list) do
        change(path, each[1], function(text) return (each[2](text)) end)
      end
      local after = of()
      assert.is_true(after.day >= 30 and after.week >= 30, ("%s: %d pulses"):format(what, after.day))
      assert.are.same({ 0, 1, 0 }, { after.sessions, after.edited, after.nerve_day }, what)
      assert.matches("was edited after it was sealed, or is damaged", table.concat(after.notes, "\n"), 1,
        true)
      if what == "whose" then
        assert.are.same({ 30, 1 }, { of("P08").day, of("P08").edited }) -- of both, as nobody knows
      end
    end
  end)

  it("never counts for less without its seal or its journal either, by folder and by index", function()
    local function gone() end
    local function header(text) return text:match("^[^\n]*\n") end
    local function empty() return "" end
    local function whose(text) return text:gsub("P07", "P08") end
    local function running(text) return text:gsub('("status"%s*:%s*")completed', "%1running", 1) end
    local function none_given(text) return text:gsub('("pulses[%a_]*"%s*:%s*)30', "%10") end
    local edits = {
      whose = { { "SHA256SUMS", gone }, { "manifest.json", whose } },
      simulated = { { "SHA256SUMS", gone }, { "manifest.json", function(text)
        return text:gsub('("simulated"%s*:%s*)false', "%1true") end } },
      older_version = { { "SHA256SUMS", gone }, { "events.tsv", header }, { "manifest.json", function(text)
        local made = cjson.decode(text)
        made.record_version, made.journal_head, made.journal_lines, made.result.pulses_sent = nil, nil, nil, 0
        return cjson.encode(made)
      end } },
      no_journal = { { "journal.jsonl", gone }, { "manifest.json", whose } },
      no_begin = { { "journal.jsonl", function(text) return text:gsub("^{", "", 1) end },
        { "manifest.json", whose } },
      both_names = { { "journal.jsonl", whose }, { "manifest.json", whose } },
      neither = { { "SHA256SUMS", gone }, { "journal.jsonl", gone }, { "manifest.json", whose } },
      long_ago = { { "journal.jsonl", gone }, { "manifest.json", function(text)
        return text:gsub('("started"%s*:%s*")%d%d%d%d', "%12001") end } },
      only_the_plan = { { "journal.jsonl", empty }, { "events.tsv", empty }, { "recover.json", empty },
        { "manifest.json", none_given } },
      killed = { { "SHA256SUMS", gone }, { "verify.sh", gone },
        { "manifest.json", function(text) return whose(running(text)) end } },
      as_if_killed = { { "SHA256SUMS", gone }, { "events.tsv", empty },
        { "manifest.json", function(text) return running((none_given(text))) end } },
      no_manifest = { { "SHA256SUMS", gone }, { "manifest.json", gone } },
    }
    for what, list in pairs(edits) do
      os.execute("rm -rf " .. out .. "/*")
      local path = given()
      for _, each in ipairs(list) do
        if each[2] == gone then
          assert(os.remove(path .. "/" .. each[1]))
        else
          change(path, each[1], function(text) return (each[2](text)) end)
        end
      end
      local names = indices.ask(out, { least = 1 }, function(index) return index:names_of "p07" end)
      for _, known in ipairs { of(), history.of(out, "P07", now, nil, nil, { [out] = names }) } do
        assert.is_true(known.day >= 30 and known.week >= 30, ("%s: %d pulses"):format(what, known.day))
        assert.are.same({ 0, 1 }, { known.sessions, known.edited }, what)
      end
      if what:match "^no_[jb]" or what == "neither" or what == "both_names" then -- nobody knows whose it was
        assert.are.equal(30, of("P33").day, what)
        assert.matches("if it was surely not one of P33, move it out of the folder",
          table.concat(of("P33").notes, "\n"), 1, true)
      elseif what ~= "only_the_plan" and what ~= "long_ago" then
        assert.are.equal(0, of("P33").day, what)
      end
    end
  end)

  it("that was only simulated stays so without its seal, and is nobody's alarm", function()
    local path = given()
    for _, name in ipairs { "manifest.json", "journal.jsonl" } do
      change(path, name, function(text) return (text:gsub('("simulated"%s*:%s*)false', "%1true")) end)
    end
    os.remove(path .. "/SHA256SUMS")
    assert.are.same({ 0, 0, 1 }, { of().day, of().edited, of().simulated })
    assert.are.same({ 0, 0, {} }, { of("P08").day, of("P08").edited, of("P08").notes })
  end)

  it("without its seal is one as well; with notes in its report it is none", function()
    local path = given()
    change(path, "report.html", function(text) return text .. "<!-- seen, AB -->" end)
    shell.write(path .. "/notes.txt", "slept badly")
    assert.are.same({ 30, 1, 0 }, { of().day, of().sessions, of().edited })
    os.remove(path .. "/SHA256SUMS")
    assert.are.same({ 30, 0, 1 }, { of().day, of().sessions, of().edited })
    assert.matches("its seal is missing", table.concat(of().notes, "\n"), 1, true)
  end)

  it("is no session of the schedule, but counts against what that allows", function()
    given()
    local protocol = assert(require("moonpulse.protocol").load(folder .. "/made.lua"))[1]
    local function judged()
      local found
      sessions.of(protocol, of(), now):judge(function(finding) found = finding end)
      return found
    end
    assert.matches("session 2 of 2 today, 2 of 3", judged().row, 1, true)
    given()
    assert.matches("session 3 today (at most 2 a day), 3 of 3", judged().row, 1, true)
    assert.are.equal("beyond tested", judged().verdict)
    local path = out .. "/" .. shell.names(out)[1]
    change(path, "events.tsv", function(text) return (text:gsub("\tdelivered\t", "\tlate\t", 1)) end)
    assert.matches("session 2 of 2 today, 2 of 3, 1 more in records that were edited: no sessions, but given",
      judged().row, 1, true)
    assert.are.equal("beyond tested", judged().verdict) -- what was given is not undone
    assert.is_true(clock.same_day(of().runs[1].at, now))
  end)
end)
