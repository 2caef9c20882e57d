-- The seal of a folder: through a kill at any point, a recovery, a report that is written later, and with a
-- signature.
local cjson = require "cjson"
local fixture = require "job"
local lfs = require "lfs"
local made_once = require "made_once"
local recover = require "moonpulse.record.recover"
local reports = require "moonpulse.report"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder, kept
local script = [[local mp = require "moonpulse"
  return mp.experiment(function(run)
    local stim = run:device()
    stim:arm()
    for i = 1, 3 do
      stim:fire(mp.pulse(mp.mso(40)))
      run:note("trial " .. i)
    end
  end)]]

setup(function()
  folder = shell.folder()
  shell.write(folder .. "/made.lua", script)
  local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --tolerance 1000 --operator AB "
    .. "--out %s/kept"):format(folder, folder))
  assert.are.equal(0, status, err)
  kept = fixture.run_in(folder .. "/kept")
end)

teardown(function() shell.remove(folder) end)

--- A copy of the run's folder, put into another state.
local function copy(change)
  local run = folder .. "/copy"
  shell.remove(run)
  shell.copy(kept, run)
  change(run)
  return run
end

--- The journal without the line that is written as the folder is sealed, and the manifest that names the one
--- before it.
local function before_sealing(run)
  local text = shell.read(run .. "/journal.jsonl")
  local without, sealed = text:match('^(.*\n)([^\n]*\n)$')
  assert.are.equal("sealed", cjson.decode(sealed).kind)
  shell.write(run .. "/journal.jsonl", without)
  local _, lines = without:gsub("\n", "")
  local manifest = shell.read(run .. "/manifest.json"):gsub('"journal_head": "%x+"', '"journal_head": "'
    .. sha256.of(without:match("([^\n]*)\n$")) .. '"'):gsub('"journal_lines": %d+',
    '"journal_lines": ' .. lines)
  shell.write(run .. "/manifest.json", manifest)
end

local function without_end(run)
  for _, name in ipairs { "SHA256SUMS", "verify.sh", "report.html" } do
    os.remove(run .. "/" .. name)
  end
end

--- What a kill leaves: nothing of the end is there.
local function unsealed(run)
  before_sealing(run)
  without_end(run)
end

local function running(run)
  unsealed(run)
  local manifest = fixture.manifest(run)
  manifest.status, manifest.result, manifest.journal_head, manifest.journal_lines = "running", nil, nil, nil
  shell.write(run .. "/manifest.json", cjson.encode(manifest))
end

local function check(run, what)
  local found = assert(verify.folder(run, {}))
  assert.are.same({}, found.differs, what)
  assert.are.equal(0, (shell.sh(folder, "sh " .. run .. "/verify.sh")), what)
  return table.concat(found.notes, "\n"), found
end

describe("a run that was killed", function()
  it("does not verify until it is recovered, wherever its journal ends; a torn line is told", function()
    local journal = shell.read(copy(before_sealing) .. "/journal.jsonl")
    local _, lines = journal:gsub("\n", "")
    local last_line = #journal:match("[^\n]*\n$")
    for _, at in ipairs { #journal, #journal - 1, #journal - 2, #journal - last_line,
      #journal - last_line + 1, #journal - last_line - 1, #journal - last_line - 20, #journal // 2 } do
      local what = ("journal cut at %d of %d"):format(at, #journal)
      local run = copy(function(path)
        running(path)
        shell.write(path .. "/journal.jsonl", journal:sub(1, at))
      end)
      assert.is_false(assert(verify.folder(run, {})).whole, what)
      local summary, message = recover.run(run, nil, reports.write)
      assert.is_table(summary, tostring(message))
      local notes = check(run, what)
      assert.matches("sealed by moonpulse recover (", notes, 1, true) -- no seal was before
      local text = shell.read(run .. "/journal.jsonl")
      assert.are.equal(journal:sub(1, at), text:sub(1, at), what) -- nothing is dropped
      local is_torn = at > 0 and journal:sub(at, at) ~= "\n"
      assert.are.equal(is_torn, notes:find("is torn", 1, true) ~= nil, what)
      local _, now = text:gsub("\n", "")
      assert.are.equal(select(2, journal:sub(1, at):gsub("\n", "")) + (is_torn and 1 or 0) + 1, now, what)
      assert.is_true(now <= lines + 1)
    end
  end)

  it("before it was sealed is sealed by recover, which says so", function()
    for _, report in ipairs { true, false } do
      local run = copy(function(path)
        local page = shell.read(path .. "/report.html")
        unsealed(path)
        if report then
          shell.write(path .. "/report.html", page)
        end
      end)
      assert.is_false(assert(verify.folder(run, {})).whole)
      local status, out, err = shell.moonpulse(folder, "recover " .. run)
      assert.are.equal(0, status, err)
      assert.matches("sealed: %x%x%x%x %x%x%x%x", out)
      check(run, "sealed later")
      assert.are_not.equal(0, (shell.moonpulse(folder, "recover " .. run))) -- nothing is left to do
      check(run, "as before")
    end
  end)

  it("between the lines of the journal that say so and the seal itself is sealed as it was", function()
    local manifest = shell.read(copy(before_sealing) .. "/manifest.json")
    for what, change in pairs { seal = { "SHA256SUMS" }, script = { "SHA256SUMS", "verify.sh" },
      head = { "SHA256SUMS", "verify.sh", "manifest.json" } } do
      local run = copy(function(path)
        for _, name in ipairs(change) do
          os.remove(path .. "/" .. name)
        end
        if change[3] then -- it does not yet name the journal's last line
          shell.write(path .. "/manifest.json", manifest)
        end
      end)
      assert.is_false(assert(verify.folder(run, {})).whole, what)
      local status, out, err = shell.moonpulse(folder, "recover " .. run)
      assert.are.equal(0, status, err)
      assert.matches("its seal (SHA256SUMS) was missing, and had been there: every file is as its journal "
        .. "says", out, 1, true)
      assert.matches("its seal (SHA256SUMS) was missing", check(run, what), 1, true)
    end
  end)

  it("and lost its journal is not whole once it is recovered", function()
    local run = copy(function(path)
      running(path)
      os.remove(path .. "/journal.jsonl")
    end)
    assert(recover.run(run, nil, reports.write))
    local found = assert(verify.folder(run, {}))
    assert.are.same({ "journal.jsonl", 1 }, { found.differs[1].file, found.differs[1].line })
    assert.matches("the lines before it are lost", found.differs[1].text, 1, true)
  end)

  it("while it was sealed again is sealed by the next recover", function()
    local run = copy(running)
    assert(recover.run(run, nil, reports.write))
    local manifest = shell.read(run .. "/manifest.json")
    local text = seals.appended(shell.read(run .. "/journal.jsonl"), "recovered", { why = "killed here" })
    shell.write(run .. "/journal.jsonl", text)
    os.remove(run .. "/SHA256SUMS")
    shell.write(run .. "/manifest.json", manifest)
    for _, name in ipairs { "SHA256SUMS.room", "SHA256SUMS", "manifest.json", "events.tsv" } do
      shell.write(run .. "/" .. name .. ".new", "half of") -- what it was writing
    end
    assert.is_false(assert(verify.folder(run, {})).whole)
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. run)))
    check(run, "twice")
    for _, name in ipairs(shell.names(run)) do
      assert.is_nil(name:find "%.new$", name)
    end
  end)

  it("by the system is whole once it is recovered", function()
    shell.write(folder .. "/long.lua", (script:gsub("1, 3", "1, 300")))
    local job = shell.start(folder, "killed", ("run %s/long.lua --tolerance 1000 --out %s/killed"):format(
      folder, folder))
    local run = shell.await(function()
      local names = shell.names(folder .. "/killed")
      local path = names[1] and folder .. "/killed/" .. names[1]
      return path and (shell.read(path .. "/journal.jsonl") or ""):find("trial 2", 1, true) and path
    end, "the second pulse")
    job:kill()
    assert.are.equal(1, (shell.moonpulse(folder, "verify " .. run)))
    shell.await(function() return (shell.moonpulse(folder, "recover " .. run)) == 0 end, "the guard's end")
    check(run, "killed")
  end)
end)

describe("whoever writes in a sealed folder", function()
  it("cannot seal what was edited as if it were the run's: recover says what did not fit", function()
    local run = copy(function(path)
      shell.write(path .. "/manifest.json", (shell.read(path .. "/manifest.json"):gsub("AB", "XY")))
      os.remove(path .. "/report.html")
    end)
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. run)))
    local found = assert(verify.folder(run, {}))
    assert.is_false(found.whole)
    assert.matches("manifest.json was not as it had been sealed when the folder was sealed again",
      found.differs[1].text, 1, true)
  end)

  it("and writes the report again leaves a whole folder, with a line of its own", function()
    local run = copy(function(path) os.remove(path .. "/report.html") end)
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. run)))
    local notes = check(run, "report")
    assert.matches("report.html was missing or changed, and was written again", notes, 1, true)
  end)
end)

describe("what cannot be sealed again", function()
  local seal_of = require "moonpulse.text.sha256".of_file

  it("keeps its old seal, and its journal gets no line", function()
    for _, made in ipairs { "ln -s elsewhere %s/link", "ln -s journal.jsonl %s/link", "mkfifo %s/pipe",
      "mkdir %s/more; ln -s / %s/more/link" } do
      local run = copy(function(path) assert(os.execute((made:gsub("%%s", path)))) end)
      local seal, journal = seal_of(run .. "/SHA256SUMS"), shell.read(run .. "/journal.jsonl")
      local manifest = shell.read(run .. "/manifest.json")
      local ok, message = seals.again(run, "report", { why = "the report was missing" })
      assert.is_nil(ok)
      assert.matches("is a %l+ ?%l*, not a file: take it out of the folder", message)
      os.remove(run .. "/report.html")
      assert.are_not.equal(0, (shell.moonpulse(folder, "recover " .. run)))
      assert.are.equal(seal, seal_of(run .. "/SHA256SUMS"))
      assert.are.equal(journal, shell.read(run .. "/journal.jsonl"))
      assert.are.equal(manifest, shell.read(run .. "/manifest.json"))
    end
  end)

  it("keeps its old seal where the journal cannot be written", function()
    local run = copy(function() end)
    local seal, rename = seal_of(run .. "/SHA256SUMS"), os.rename
    os.rename = function(from, to) -- luacheck: ignore 122
      if to == run .. "/journal.jsonl" then
        return nil, "the disk is full"
      end
      return rename(from, to)
    end
    local ok, message = seals.again(run, "report", { why = "the report was missing" })
    os.rename = rename -- luacheck: ignore 122
    assert.are.same({ nil, "the disk is full" }, { ok, message })
    assert.are.equal(seal, seal_of(run .. "/SHA256SUMS"))
    check(run, "as before")
  end)
end)

describe("what differs", function()
  it("is found by verify.sh among hundreds of files, before and behind folders", function()
    local run = copy(function(path)
      assert(lfs.mkdir(path .. "/many"))
      assert(lfs.mkdir(path .. "/many/5"))
      shell.write(path .. "/-", "a name that stands for standard input")
      for i = 1, 250 do
        shell.write(("%s/many/%d"):format(path, 1000 + i), "file " .. i)
        shell.write(("%s/many/5/%d .x"):format(path, i % 7), "file " .. i)
      end
      assert(seals.again(path, "report", { why = "more files" }))
    end)
    assert.are.equal(0, (shell.sh(folder, "sh " .. run .. "/verify.sh")))
    for _, name in ipairs { "many/1001", "many/1100", "many/1101", "many/1250", "many/5/0 .x",
      "verify.sh", "-" } do
      local text = shell.read(run .. "/" .. name)
      shell.write(run .. "/" .. name, text .. "\n")
      local status, out = shell.sh(folder, ("sh %s/verify.sh %s"):format(kept, run))
      assert.are.equal(1, status, name)
      assert.are.equal(("differs: %s: it was changed"):format(name), out:match "^[^\n]*")
      shell.write(run .. "/" .. name, text)
    end
    assert(lfs.link("1001", run .. "/many/1100x", true))
    assert.matches("differs: many/1100x: it was not in the folder", (select(2, shell.sh(folder, "sh " .. run
      .. "/verify.sh"))), 1, true)
  end)

  it("is told with file and line", function()
    local function first(name, change)
      local run = copy(function(path)
        shell.write(path .. "/" .. name, (change(shell.read(path .. "/" .. name))))
      end)
      local status, out = shell.moonpulse(folder, "verify " .. run)
      assert.are.equal(1, status)
      return out
    end
    local out = first("journal.jsonl", function(text) return text:gsub("trial 2", "trial 9", 1) end)
    assert.matches("journal%.jsonl:%d+: it was changed, or is torn", out)
    out = first("events.tsv", function(text)
      return text:gsub("(\n[^\n]*\tpulse\t1\t[^\n]*)\t40\t", "%1\t41\t", 1)
    end)
    assert.matches("events%.tsv:%d+: intensity is 41, and flight%.bin says 40\n", out)
    out = first("SHA256SUMS", function(text) return text:gsub("%l", string.upper, 1) end)
    assert.matches("SHA256SUMS", out)
  end)

  it("is data with --json, also of several runs", function()
    local run = copy(function(path) shell.write(path .. "/more", "x") end)
    local status, out = shell.moonpulse(folder, ("verify --json %s %s"):format(kept, run))
    assert.are.equal(1, status)
    local list = {}
    for line in out:gmatch("[^\n]+") do
      list[#list + 1] = cjson.decode(line)
    end
    assert.are.same({ true, false }, { list[1].whole, list[2].whole })
    assert.are.same({ { file = "more", text = "it was not in the folder when it was sealed" } },
      list[2].differs)
    assert.matches("^%x+$", list[1].seal)
    assert.are.equal(2, (shell.moonpulse(folder, "verify " .. folder)))
  end)

  it("of a run of an older version is what can be told; the rest is said to be unchecked", function()
    local run = copy(function(path)
      unsealed(path)
      local manifest = fixture.manifest(path)
      manifest.record_version, manifest.journal_head, manifest.journal_lines = nil, nil, nil
      shell.write(path .. "/manifest.json", cjson.encode(manifest))
      local old = {}
      for line in shell.read(path .. "/journal.jsonl"):gmatch("[^\n]+") do
        local kind = line:match('"kind":"(%l+)"')
        if kind == "play" or kind == "mark" or kind == "set" then
          line = line:gsub(',"prev":"%x+"', ""):gsub(',"check":"%x+"}$', "}"):gsub(',"line":%d+', "")
          old[#old + 1] = line
        end
      end
      shell.write(path .. "/journal.jsonl", table.concat(old, "\n") .. "\n")
    end)
    local found = assert(verify.folder(run, {}))
    assert.are.same({}, found.differs)
    assert.matches("older version, which did not seal", table.concat(found.unchecked, "\n"), 1, true)
    assert.matches("what flight.bin says, row by row", table.concat(found.checked, "\n"), 1, true)
  end)
end)

describe("a run of an older version in virtual time", function()
  it("is not accused of pulses that its journal, which has no chain, is not asked for", function()
    assert.are.equal(0, (shell.moonpulse(folder, ("run %s/made.lua --speed max --out %s/older"):format(folder,
      folder))))
    local run = fixture.run_in(folder .. "/older")
    for _, with_tail in ipairs { false, true } do -- true: a later version added a line, with a chain
      without_end(run)
      local manifest, old = fixture.manifest(run), {}
      manifest.record_version, manifest.journal_head, manifest.journal_lines = 2, nil, nil
      shell.write(run .. "/manifest.json", cjson.encode(manifest))
      for line in shell.read(run .. "/journal.jsonl"):gmatch("[^\n]+") do
        if line:match '"kind":"play"' or line:match '"kind":"mark"' then
          line = line:gsub(',"prev":"%x+"', ""):gsub(',"check":"%x+"}$', "}"):gsub(',"line":%d+', "")
          old[#old + 1] = line
        end
      end
      assert.is_true(#old >= 3)
      shell.write(run .. "/journal.jsonl", table.concat(old, "\n") .. "\n")
      if with_tail then
        assert(seals.again(run, "report", { why = "the report was missing" }))
      end
      local found = assert(verify.folder(run, {}))
      assert.are.same({}, found.differs)
      assert.matches("events.tsv against journal.jsonl: the journal, or its beginning, is of an older",
        table.concat(found.unchecked, "\n"), 1, true)
    end
  end)
end)

describe("a signature", function()
  made_once.inside()

  local function key(name)
    assert(os.execute(("ssh-keygen -q -t ed25519 -N '' -C lab -f %s/%s"):format(folder, name)))
    return folder .. "/" .. name
  end

  it("says who sealed, also if it is made later; another's, a changed or a missing one is found", function()
    local ours, others = key "ours", key "others"
    shell.write(folder .. "/plan.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "plan", name = "Plan", plan = function() return mp.pulse(mp.mso(40)) end }]])
    local status, out, err = shell.moonpulse(folder, ("run %s/plan.lua --speed max --sign %s --out %s/signed")
      :format(folder, ours, folder))
    assert.are.equal(0, status, err)
    assert.matches("signed +by SHA256:", out)
    local signed = fixture.run_in(folder .. "/signed")
    local later = copy(function() end)
    local before = verify.folder(later, {}).short
    status, out, err = shell.moonpulse(folder, ("sign %s --key %s --operator AB"):format(later, ours))
    assert.are.equal(0, status, out .. err)
    assert.matches("the one before was " .. before, out, 1, true)
    -- who compares with the seal that the run's end printed is told what became of it
    local _, told = shell.moonpulse(folder, "verify " .. later)
    assert.matches("note +sealed again by moonpulse sign %(AB, %d%d%d%d%-[^)]*%): moonpulse sign; the seal "
      .. "before was " .. before .. " %(line %d+ of journal.jsonl%)\n", told)
    assert.is_nil(select(2, shell.moonpulse(folder, "verify " .. signed)):find("sealed again", 1,
      true)) -- the run did it itself
    shell.moonpulse(folder, ("sign %s --key %s"):format(later, ours))
    _, told = shell.moonpulse(folder, "verify " .. later)
    assert.are.equal(2, select(2, told:gsub("sealed again", "")))
    for _, run in ipairs { signed, later } do
      check(run, "signed")
      assert.are.same({ true, true, false, false }, { verify.folder(run, {}).whole,
        verify.folder(run, { key = ours .. ".pub" }).whole,
        verify.folder(run, { key = others .. ".pub" }).whole,
        verify.folder(run, { signers = ours .. ".pub" }).whole })
      shell.write(folder .. "/signers", "kim@lab namespaces=\"moonpulse-run\" " .. shell.read(ours .. ".pub"))
      local found = verify.folder(run, { signers = folder .. "/signers" })
      assert.are.same({}, found.differs)
      assert.matches("by kim@lab", found.signed, 1, true)
      local path = run .. "/SHA256SUMS.sig"
      local text = shell.read(path)
      local line_end = text:find("\n", 60, true)
      for _, at in ipairs { 1, 28, 29, 60, line_end, line_end + 1, 170, #text - 40, #text - 1, #text } do
        for bit = 0, 7, 2 do
          shell.write(path, text:sub(1, at - 1) .. string.char(text:byte(at) ~ 1 << bit) .. text:sub(at + 1))
          assert.is_false(verify.folder(run, {}).whole, ("bit %d of letter %d"):format(bit, at))
        end
      end
      os.remove(path)
      assert.is_false(verify.folder(run, {}).whole)
      assert.are.equal(1, (shell.sh(folder, "sh " .. run .. "/verify.sh")))
    end
  end)

  it("that cannot be made leaves a whole run, which is signed later", function()
    local locked = folder .. "/locked"
    assert(os.execute(("ssh-keygen -q -t ed25519 -N 'a phrase' -C lab -f %s"):format(locked)))
    local alone = "SSH_AUTH_SOCK= SSH_ASKPASS=/bin/false SSH_ASKPASS_REQUIRE=force DISPLAY=:0 "
      .. shell.quote(shell.program)
    local status, out = shell.sh(folder, ("%s run %s/made.lua --tolerance 1000 --sign %s "
      .. "--out %s/locked-runs"):format(alone, folder, locked, folder))
    assert.are.equal(0, status, out)
    assert.matches("not signed: .*; moonpulse sign ", out)
    local run = fixture.run_in(folder .. "/locked-runs")
    check(run, "not signed")
    local seal = shell.read(run .. "/SHA256SUMS")
    local err
    status, out, err = shell.sh(folder, ("%s sign %s --key %s"):format(alone, run, locked))
    assert.are.equal(4, status, out)
    assert.matches("is not signed, and is as it was: the key cannot be used here", err, 1, true)
    assert.are.equal(seal, shell.read(run .. "/SHA256SUMS"))
    local works = key "works"
    assert.are.equal(0, (shell.moonpulse(folder, ("sign %s --key %s"):format(run, works))))
    check(run, "signed")
    os.remove(run .. "/SHA256SUMS.sig") -- it failed after the journal had its line, as older versions did
    assert.is_true(verify.folder(run, {}).unsigned)
    assert.are.equal(0, (shell.moonpulse(folder, ("sign %s --key %s"):format(run, works))))
    check(run, "signed anew")
    os.remove(run .. "/SHA256SUMS.sig")
    shell.write(run .. "/more", "x")
    assert.are.equal(3, (shell.moonpulse(folder, ("sign %s --key %s"):format(run, works))))
  end)

  it("is not made of what does not verify, nor with what is no key", function()
    local run = copy(function(path) shell.write(path .. "/more", "x") end)
    local status, _, err = shell.moonpulse(folder, ("sign %s --key %s"):format(run, key "third"))
    assert.are.equal(3, status)
    assert.matches("does not verify, so it is not signed: more", err, 1, true)
    status, _, err = shell.moonpulse(folder, ("run %s/made.lua --sign %s/nowhere --out %s/none"):format(
      folder, folder, folder))
    assert.are.equal(2, status)
    assert.matches("there is no such key file; make one with ssh-keygen", err, 1, true)
    assert.are.same({}, shell.names(folder .. "/none"))
  end)
end)
