-- What a new seal must not hide: an edit that came before it, a signature that is gone, and names that are
-- those of the seal's own fields.
local core = require "moonpulse.core"
local edited = require "moonpulse.safety.edited"
local fixture = require "job"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder
local labelled = [[local mp = require "moonpulse"
  return mp.protocol { id = "lab", name = "Lab", plan = function()
    return (mp.pulse(mp.mso(40)):label "journal_lines" .. mp.rest(5)
      .. mp.pulse(mp.mso(40)):label "journal_head" .. mp.rest(5)):times(3) end }]]

local function record(name, more)
  shell.write(folder .. "/lab.lua", labelled)
  local out = folder .. "/" .. name
  local status, _, err = shell.moonpulse(folder, ("run %s/lab.lua --speed max --participant P01 --out %s %s")
    :format(folder, out, more or ""))
  assert.are.equal(0, status, err)
  return fixture.run_in(out)
end

local function edit(path, from, to)
  local text, count = shell.read(path):gsub(from, to)
  assert.is_true(count > 0)
  shell.write(path, text)
end

local function texts(run)
  local list = {}
  for i, each in ipairs(assert(verify.folder(run, {})).differs) do
    list[i] = ("%s: %s"):format(each.file, each.what or each.text or "")
  end
  return table.concat(list, "\n")
end

describe("a folder that was sealed anew", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("says that its manifest is not the one that the journal begins with, or ends with", function()
    for _, case in ipairs { { '"participant": "P01"', '"participant": "P02"', "participant is P02, and P01" },
      { '"simulated": true', '"simulated": false', "device.simulated is false, and true" },
      { '"pulses_sent": 6', '"pulses_sent": 5', "result.pulses_sent is 5, and 6" } } do
      local run = record("edited" .. case[2]:gsub("%W", ""))
      edit(run .. "/manifest.json", case[1], case[2])
      os.remove(run .. "/SHA256SUMS")
      local status = shell.moonpulse(folder, "recover " .. run)
      assert.are.equal(0, status)
      assert.matches(case[3], texts(run), 1, true)
      if case[2]:find("P02", 1, true) then -- its pulses count for both, and it is no session
        assert.are.same({ p01 = true, p02 = true }, edited.of(run, fixture.manifest(run)).who)
      end
    end
  end)

  it("is told as edited where something did not fit the seal before", function()
    local run = record "over"
    assert.is_nil(edited.look(run, fixture.manifest(run)))
    assert(seals.again(run, "report", { why = "the report was missing" }, { "report.html" }))
    assert.is_nil(edited.look(run, fixture.manifest(run))) -- which recover has written again
    assert(seals.again(run, "report", { why = "the report was missing" }, { "manifest.json" }))
    assert.matches("manifest.json, before it was sealed again", edited.look(run, fixture.manifest(run)), 1,
      true)
  end)

  it("holds each line of its journal, the last as well: changed with its checksum, left out, or behind it",
    function()
      local run = record "lines"
      local path = run .. "/journal.jsonl"
      local whole, lines = shell.read(path), {}
      for line in whole:gmatch("[^\n]+") do
        lines[#lines + 1] = line
      end
      local function kept(line) -- with a checksum of its own, as whoever knows the format writes it
        local body = line:gsub(',"check":"%x+"}$', "")
        return ('%s,"check":"%s"}'):format(body, core.checksum(body))
      end
      local function expect_found(list, what)
        shell.write(path, table.concat(list, "\n") .. "\n")
        assert(seals.write(run))
        assert.matches("journal", texts(run), 1, true, what)
      end
      for i, line in ipairs(lines) do
        local changed, cut = table.move(lines, 1, #lines, 1, {}), table.move(lines, 1, #lines, 1, {})
        changed[i] = kept((line:gsub("^{", '{"more":1,')))
        expect_found(changed, "changed " .. i)
        table.remove(cut, i)
        expect_found(cut, "left out " .. i)
      end
      local more = table.move(lines, 1, #lines, 1, {})
      more[#more + 1] = kept((lines[#lines]:gsub('"line":%d+', '"line":' .. #lines + 1)
        :gsub('"prev":"%x+"', ('"prev":"%s"'):format(sha256.of(lines[#lines])))))
      expect_found(more, "one more")
      shell.write(path, whole)
      assert(seals.write(run))
      assert.are.equal("", texts(run))
    end)

  it("keeps conditions that are called as its own fields are", function()
    local run = record "names"
    assert(seals.again(run, "note", { text = "looked at" }))
    local conditions = fixture.manifest(run).conditions
    assert.are.equal("", texts(run))
    assert.are.equal(3, type(conditions.journal_lines) == "table" and conditions.journal_lines.pulses
      or conditions.journal_lines)
    assert.are.equal(0, (shell.sh(folder, "sh " .. run .. "/verify.sh")))
  end)

  it("that was signed before wants a signature, in both verdicts", function()
    assert.are.equal(0, (shell.sh(folder, "ssh-keygen -q -t ed25519 -N '' -f " .. folder .. "/key")))
    local run = record("signed", "--sign " .. folder .. "/key")
    assert.are.equal("", texts(run))
    assert(seals.again(run, "note", { text = "looked at" }))
    assert.matches("SHA256SUMS.sig: the run was signed", texts(run), 1, true)
    assert.are.equal(1, (shell.sh(folder, "sh " .. run .. "/verify.sh")))
  end)

  it("is the one that verify.sh lies in, whatever CDPATH says; a pipe in place of a file is not waited for",
    function()
      local run = record "here"
      local name = run:match("[^/]+$")
      os.execute(("mkdir -p %s/other %s/bad; cp -r %s %s/other/; mv %s %s/bad/"):format(folder, folder, run,
        folder, run, folder))
      edit(folder .. "/bad/" .. name .. "/events.tsv", "delivered", "sent")
      local command = ("cd %s/bad && CDPATH=%s/other timeout 20 sh %s/verify.sh"):format(folder, folder, name)
      assert.are.equal(1, (shell.sh(folder, command)))
      local manifest = folder .. "/other/" .. name .. "/manifest.json"
      os.remove(manifest)
      os.execute("mkfifo " .. manifest)
      assert.are.equal(1, (shell.sh(folder, "timeout 20 sh " .. folder .. "/other/" .. name .. "/verify.sh")))
    end)

  it("has no link or pipe in the place of its seal or of its signature, in both verdicts", function()
    assert.are.equal(0, (shell.sh(folder, "ssh-keygen -q -t ed25519 -N '' -f " .. folder .. "/lab")))
    local run = record("linked", "--sign " .. folder .. "/lab")
    for _, name in ipairs { "SHA256SUMS", "SHA256SUMS.sig" } do
      local path, aside = run .. "/" .. name, folder .. "/aside"
      assert(os.rename(path, aside))
      for how, wanted in pairs { ["ln -s " .. aside] = "it is a link", mkfifo = "it is a named pipe" } do
        assert(os.execute(how .. " " .. path))
        assert.matches(name .. ": " .. wanted, texts(run), 1, true)
        local status, out = shell.sh(folder, "timeout 20 sh " .. run .. "/verify.sh")
        assert.are.equal(1, status, name .. how)
        assert.matches("differs: " .. name .. ": it is", out, 1, true)
        os.remove(path)
      end
      assert(os.rename(aside, path))
    end
    assert.are.equal("", texts(run))
    assert.are.equal(0, (shell.sh(folder, "sh " .. run .. "/verify.sh")))
  end)

  it("stays sealed where the disk has no room for a new one", function()
    local run = record "full"
    local before = shell.read(run .. "/SHA256SUMS")
    local beside = require("moonpulse.record.file").beside
    require("moonpulse.record.file").beside = function(path)
      if path:find("SHA256SUMS.room", 1, true) then
        return io.open("/dev/full", "w")
      end
      return beside(path)
    end
    finally(function() require("moonpulse.record.file").beside = beside end)
    local seal, message = seals.again(run, "note", { text = "looked at" })
    assert.is_nil(seal)
    assert.matches("No space left", message, 1, true)
    assert.are.equal(before, shell.read(run .. "/SHA256SUMS"))
  end)
end)
