-- moonpulse note: what an operator notes after a run is in the audit trail, and the record stays one that
-- verifies, through a kill at any point of it.
local cjson = require "cjson"
local files = require "moonpulse.record.file"
local fixture = require "job"
local notes = require "moonpulse.record.note"
local read = require "moonpulse.record.read"
local recover = require "moonpulse.record.recover"
local reports = require "moonpulse.report"
local seals = require "moonpulse.record.seal"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder, kept, run

setup(function()
  folder = shell.folder()
  local status, _, err = shell.moonpulse(folder, ("run itbs600 --amt 50 -p trains=1 --speed max --operator "
    .. "AB --out %s/kept"):format(folder))
  assert.are.equal(0, status, err)
  kept = fixture.run_in(folder .. "/kept")
end)

before_each(function()
  run = folder .. "/copy"
  shell.remove(run)
  shell.copy(kept, run)
end)

teardown(function() shell.remove(folder) end)

local function note(text, more)
  return shell.moonpulse(folder, ("note %s %s %s"):format(run, text, more or ""))
end

local function texts()
  local list = {}
  for i, each in ipairs(read.manifest(run .. "/manifest.json").notes or {}) do
    list[i] = each.text
  end
  return list
end

--- Nothing differs, by either program.
local function check(what)
  local found = verify.folder(run, {})
  assert.are.same({ "whole", {} }, { found.verdict, found.differs }, what)
  assert.are.equal(0, (shell.sh(folder, ("sh %s/verify.sh"):format(run))), what)
  return found
end

describe("a note", function()
  it("is in the journal, the manifest and the report, and the seal before it is told", function()
    local before = seals.current(run)
    assert.are.equal(0, (note("'coil slipped, <i>Grad</i> ü'", "--operator CD")))
    local status, out, err = note("'a second one'", "--json")
    assert.are.equal(0, status, err)
    local told = cjson.decode(out)
    assert.are.same({ "n/a", "a second one", seals.current(run) }, { told.who, told.text, told.seal })
    assert.are.same({ "coil slipped, <i>Grad</i> ü", "a second one" }, texts())
    local report = shell.read(run .. "/report.html")
    assert.matches("coil slipped, &lt;i&gt;Grad", report, 1, true)
    assert.is_nil(report:find("<i>Grad", 1, true))
    local said = table.concat(check().notes, "\n")
    assert.matches("sealed again by moonpulse note %(CD, [^)]*%): moonpulse note; the seal before was "
      .. seals.short(before), said)
    local _, list = shell.moonpulse(folder, ("runs --json --out %s"):format(folder))
    assert.matches('"notes": 2', list)
  end)

  it("cannot be changed, put in or taken out unseen, also where it is sealed over", function()
    assert.are.equal(0, (note("'coil slipped'")))
    local manifest, journal = shell.read(run .. "/manifest.json"), shell.read(run .. "/journal.jsonl")
    for what, change in pairs {
      ["changed in the manifest"] = { "manifest.json", (manifest:gsub("coil slipped", "all was well")) },
      ["taken out of it"] = { "manifest.json", (manifest:gsub('  "notes": %b[],\n', "")) },
      ["of another"] = { "manifest.json", (manifest:gsub('"who": "n/a"', '"who": "XY"')) },
      ["changed in the journal"] = { "journal.jsonl", (journal:gsub("coil slipped", "all was well")) },
      ["without its line"] = { "journal.jsonl", (journal:gsub("[^\n]*\n$", "")) } } do
      local path = ("%s/%s"):format(run, change[1])
      local was = shell.read(path)
      assert.are_not.equal(was, change[2], what)
      shell.write(path, change[2])
      assert.are.equal("differs", verify.folder(run, {}).verdict, what)
      assert.are_not.equal(0, (shell.sh(folder, ("sh %s/verify.sh"):format(run))), what)
      assert(seals.write(run))
      assert.are.equal("differs", verify.folder(run, {}).verdict, what .. ", sealed over")
      assert.are_not.equal(0, (note("'one more'")), what)
      shell.write(path, was)
      assert(seals.write(run))
    end
    check()
  end)

  it("is refused with what to do, and changes nothing", function()
    local before = seals.current(run)
    for text, words in pairs { ["''"] = "empty", ["'  '"] = "empty", ["\"$(printf 'a\\tb')\""] = "spaces",
      ["\"$(printf '\\377')\""] = "UTF%-8", ["\"$(printf 'a\\nb')\""] = "spaces",
      [("x"):rep(notes.most + 1)] = "shorter" } do
      local status, _, err = note(text)
      assert.are.equal(2, status, text)
      assert.matches(words, err)
    end
    assert.are.equal(before, seals.current(run))
    local status, _, err = shell.moonpulse(folder, "note nosuch text")
    assert.are.equal(2, status)
    assert.matches("there is no run nosuch", err, 1, true)
    os.remove(run .. "/SHA256SUMS")
    status, _, err = note("text")
    assert.are.equal(2, status)
    assert.matches("moonpulse recover .*nothing was noted", err)
    shell.write(run .. "/manifest.json", (shell.read(run .. "/manifest.json"):gsub('"status": "completed"',
      '"status": "running"', 1)))
    status, _, err = note("text")
    assert.are.equal(2, status)
    assert.matches("was killed: moonpulse recover", err, 1, true)
  end)

  it("is refused at once while the run goes on, and taken when it is over", function()
    local job = shell.start(folder, "going", ("run itbs600 --amt 50 -p trains=2 --timing host "
      .. "--tolerance 1000 --out %s/going"):format(folder))
    shell.await(function() return (shell.names(folder .. "/going") or {})[1] end, "the run's folder")
    run = ("%s/going/%s"):format(folder, shell.names(folder .. "/going")[1])
    shell.await(function() return shell.read(run .. "/journal.jsonl") end, "its journal")
    local journal = shell.read(run .. "/journal.jsonl")
    local status, _, err = note("'too early'")
    assert.are.equal(2, status)
    assert.matches("going on: wait until it has ended, then note it; nothing was noted", err, 1, true)
    assert.is_nil(shell.read(run .. "/journal.jsonl"):find("too early", 1, true))
    assert.is_true(#journal > 0)
    assert.are.equal(0, job:wait(), job:err())
    assert.are.equal(0, (note("'in time'")))
    assert.are.same({ "in time" }, texts())
    check()
  end)

  it("of several that come at once is not lost", function()
    local status, out = shell.sh(folder, ("for i in 1 2 3 4 5; do %s note %s \"note $i\" & done; wait")
      :format(shell.absolute, run))
    assert.are.equal(0, status, out)
    local list = texts()
    table.sort(list)
    assert.are.same({ "note 1", "note 2", "note 3", "note 4", "note 5" }, list)
    check()
  end)

  it("that somebody is killed over is there as a whole, or not at all, once recover was there", function()
    local put, remove = files.put, os.remove
    local steps, calls, left = 0, nil, { [0] = 0, [1] = 0 }
    local function counted(call)
      return function(...)
        calls = calls + 1
        if calls > steps then
          error("killed", 0)
        end
        return call(...)
      end
    end
    repeat
      shell.remove(run)
      shell.copy(kept, run)
      calls, files.put, os.remove = 0, counted(put), counted(remove) -- luacheck: ignore 122
      local done = pcall(notes.add, run, { at = "2026-11-22T10:15:00.000000+00:00", who = "AB",
        text = "it hurt" }, reports.page(run))
      files.put, os.remove = put, remove -- luacheck: ignore 122
      if not done then
        local was_sealed = seals.current(run) ~= nil
        local summary = recover.run(run, nil, reports.writer(run), reports.page(run))
        assert.is_true(summary ~= nil or was_sealed, ("killed at step %d"):format(steps))
      end
      local list = texts()
      check(("killed at step %d"):format(steps))
      assert.are.same(list[1] and { "it hurt" } or {}, list)
      left[#list] = left[#list] + 1
      steps = steps + 1
    until done
    assert.is_true(left[0] >= 2 and left[1] >= 3, ("%d without, %d with it"):format(left[0], left[1]))
  end)

  it("of a signed run wants the key that signs it anew", function()
    local key = folder .. "/key"
    if select(1, shell.sh(folder, ("ssh-keygen -q -t ed25519 -N '' -f %s"):format(key))) ~= 0 then
      return pending "there is no ssh-keygen here"
    end
    assert.are.equal(0, (shell.moonpulse(folder, ("sign %s --key %s"):format(run, key))))
    local status, _, err = note("text")
    assert.are.equal(2, status)
    assert.matches("--key KEY", err, 1, true)
    assert.are.same({}, texts())
    status, _, err = note("text", "--key " .. key)
    assert.are.equal(0, status, err)
    assert.are.same({ "text" }, texts())
    assert.is_string(check().signed)
  end)
end)
